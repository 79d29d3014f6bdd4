#include "identity/aws/sts.hpp"

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "identity/http/form.hpp"

namespace keyward::identity {
namespace {

Form begin_form(const char* action, const AwsRole& role) {
  Form form;
  form.add("Action", action);
  form.add("Version", "2011-06-15");
  form.add("RoleArn", role.arn);
  form.add("RoleSessionName", role.session_name);
  if (role.duration.count() > 0) form.add("DurationSeconds", std::to_string(role.duration.count()));
  return form;
}

HttpRequest post(const Url& sts, Form form) {
  HttpRequest request;
  request.url = sts;
  request.method = "POST";
  request.content_type = form_content_type;
  request.body = form.take();
  // Amazon's answers in JSON whoever would take it.
  request.headers.push_back({"Accept", Secret("text/xml, application/xml")});
  return request;
}

std::string host_of(const Url& url) {
  const bool usual = url.port == (url.tls ? 443 : 80);
  const std::string host = url.v6 ? "[" + url.host + "]" : url.host;
  return usual ? host : url.authority();
}

}  // namespace

HttpRequest web_identity_request(const Url& sts, const AwsRole& role, const Secret& token) {
  Form form = begin_form("AssumeRoleWithWebIdentity", role);
  form.add("WebIdentityToken", token.reveal());
  return post(sts, std::move(form));
}

Result<HttpRequest> assume_role_request(const Url& sts, const AwsRole& role,
                                        const StsCaller& caller) {
  Form form = begin_form("AssumeRole", role);
  form.add_some("ExternalId", role.external_id);
  HttpRequest request = post(sts, std::move(form));
  netproxy::RequestHead head;
  head.method = request.method;
  head.target = request.url.target;
  head.headers = {{"Content-Type", request.content_type}};
  const std::string host = host_of(request.url);
  const netproxy::SigningInput input{
      caller.keys,
      {caller.region.empty() ? "us-east-1" : caller.region, "sts"},
      {netproxy::PayloadMode::hex_hash, hex(sha256(request.body.reveal()))},
      host,
      caller.now};
  TRY(netproxy::sign_request(head, input));
  for (const netproxy::Header& header : head.headers)
    if (header.name != "Content-Type")
      request.headers.push_back({header.name, Secret(header.value)});
  request.url.target = head.target;
  return request;
}

}  // namespace keyward::identity
