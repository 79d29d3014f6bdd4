#include "gateway/operator/review.hpp"

#include <google/protobuf/util/json_util.h>

#include "gateway/operator/channel.hpp"
#include "identity/grant/aws_grant.hpp"
#include "openshell.grpc.pb.h"

namespace keyward::gateway {
namespace {

namespace v1 = openshell::v1;
using Stub = v1::OpenShell::Stub;
using Endpoints = google::protobuf::RepeatedPtrField<openshell::sandbox::v1::NetworkEndpoint>;

std::vector<std::string> words_of(const Endpoints& endpoints) {
  std::vector<std::string> words;
  for (const auto& endpoint : endpoints) {
    if (endpoint.port() != 0)
      words.push_back(endpoint.host() + ":" + std::to_string(endpoint.port()));
    for (const std::uint32_t port : endpoint.ports())
      words.push_back(endpoint.host() + ":" + std::to_string(port));
  }
  return words;
}

Result<std::string> json_of(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;  // as in a policy file
  std::string json;
  const auto printed = google::protobuf::util::MessageToJsonString(message, &json, options);
  if (!printed.ok())
    return fail(Code::internal, "unprintable proposal: " + std::string(printed.message()));
  return json;
}

Result<DraftInfo> info_of(const v1::PolicyChunk& chunk) {
  DraftInfo info;
  info.id = chunk.id();
  info.status = chunk.status();
  info.rule = chunk.rule_name();
  info.binary = chunk.binary();
  info.rationale = chunk.rationale();
  info.security_notes = chunk.security_notes();
  info.validation = chunk.validation_result();
  info.review_token = chunk.review_token();
  info.endpoints = words_of(chunk.proposed_rule().endpoints());
  info.hits = chunk.hit_count();
  info.created = TimePoint(std::chrono::milliseconds(chunk.created_at_ms()));
  TRY_ASSIGN(info.proposed_rule, json_of(chunk.proposed_rule()));
  return info;
}

GrantInfo info_of(const v1::ProviderProfileCredential& credential) {
  const v1::ProviderCredentialTokenGrant& grant = credential.token_grant();
  GrantInfo info;
  info.credential = credential.name();
  info.grant_type = grant.grant_type().empty() ? "client_credentials" : grant.grant_type();
  info.client_auth = grant.client_auth();
  info.server = grant.issuer().empty() ? grant.token_endpoint() : grant.issuer();
  info.header = credential.header_name().empty() ? "authorization" : credential.header_name();
  for (const auto& role : grant.aws().roles()) info.roles.push_back(role.role_arn());
  if (info.server.empty() && !info.roles.empty())
    info.server = identity::regional_sts(grant.aws().region());
  info.audience = grant.audience();
  for (const auto& each : grant.audience_overrides())
    info.overrides.push_back(
        each.host() + (each.port() == 0 ? "" : ":" + std::to_string(each.port())) + each.path());
  return info;
}

ProfileInfo info_of(const v1::ProviderProfile& profile) {
  ProfileInfo info{profile.id(), profile.source(),          profile.display_name(), {},
                   {},           profile.resource_version()};
  for (const auto& credential : profile.credentials())
    info.variables.insert(info.variables.end(), credential.env_vars().begin(),
                          credential.env_vars().end());
  info.endpoints = words_of(profile.endpoints());
  for (const auto& credential : profile.credentials())
    if (credential.has_token_grant()) info.grants.push_back(info_of(credential));
  return info;
}

std::string words_of(const google::protobuf::RepeatedPtrField<v1::ProviderProfileDiagnostic>& all) {
  std::string text;
  for (const auto& each : all)
    text += (text.empty() ? "" : "\n") + each.profile_id() + ": " + each.field() + ": " +
            each.message();
  return text;
}

class Client final : public ReviewClient {
 public:
  Client(std::string path, const std::shared_ptr<grpc::Channel>& channel)
      : path_(std::move(path)), stub_(v1::OpenShell::NewStub(channel)) {}

  Result<std::vector<DraftInfo>> drafts(const std::string& sandbox) override {
    v1::GetDraftPolicyRequest request;
    request.set_name(sandbox);
    v1::GetDraftPolicyResponse response;
    TRY(call(&Stub::GetDraftPolicy, request, response));
    std::vector<DraftInfo> drafts;
    for (const auto& chunk : response.chunks()) {
      TRY_ASSIGN(DraftInfo info, info_of(chunk));
      drafts.push_back(std::move(info));
    }
    return drafts;
  }

  Result<std::uint32_t> approve(const std::string& sandbox, const std::string& id,
                                const std::string& review_token) override {
    v1::ApproveDraftChunkRequest request;
    request.set_name(sandbox);
    request.set_chunk_id(id);
    request.set_review_token(review_token);
    v1::ApproveDraftChunkResponse response;
    TRY(call(&Stub::ApproveDraftChunk, request, response));
    return response.policy_version();
  }

  Result<> reject(const std::string& sandbox, const std::string& id,
                  const std::string& reason) override {
    v1::RejectDraftChunkRequest request;
    request.set_name(sandbox);
    request.set_chunk_id(id);
    request.set_reason(reason);
    v1::RejectDraftChunkResponse response;
    return call(&Stub::RejectDraftChunk, request, response);
  }

  Result<std::vector<ProfileInfo>> profiles() override {
    v1::ListProviderProfilesRequest request;
    request.set_limit(1000);
    v1::ListProviderProfilesResponse response;
    TRY(call(&Stub::ListProviderProfiles, request, response));
    std::vector<ProfileInfo> profiles;
    for (const auto& profile : response.profiles()) profiles.push_back(info_of(profile));
    return profiles;
  }

  Result<> import_profile(const std::string& json) override {
    v1::ProviderProfile profile;
    const auto parsed = google::protobuf::util::JsonStringToMessage(json, &profile);
    if (!parsed.ok())
      return fail(Code::invalid, "no provider profile: " + std::string(parsed.message()));
    TRY_ASSIGN(const auto there, profiles());
    for (const ProfileInfo& each : there)
      if (each.id == profile.id() && each.source == "user")
        return update(profile, each.resource_version);
    v1::ImportProviderProfilesRequest request;
    *request.add_profiles()->mutable_profile() = profile;
    v1::ImportProviderProfilesResponse response;
    TRY(call(&Stub::ImportProviderProfiles, request, response));
    if (response.imported()) return {};
    return fail(Code::invalid, words_of(response.diagnostics()));
  }

  Result<> delete_profile(const std::string& id) override {
    v1::DeleteProviderProfileRequest request;
    request.set_id(id);
    v1::DeleteProviderProfileResponse response;
    return call(&Stub::DeleteProviderProfile, request, response);
  }

 private:
  Result<> update(const v1::ProviderProfile& profile, std::uint64_t version) {
    v1::UpdateProviderProfilesRequest request;
    request.set_id(profile.id());
    request.set_expected_resource_version(version);
    *request.mutable_profile()->mutable_profile() = profile;
    v1::UpdateProviderProfilesResponse response;
    TRY(call(&Stub::UpdateProviderProfiles, request, response));
    if (response.updated()) return {};
    return fail(Code::invalid, words_of(response.diagnostics()));
  }

  template <class Method, class Request, class Response>
  Result<> call(Method method, const Request& request, Response& response) {
    return result_of(operator_call(*stub_, method, request, response), path_);
  }

  std::string path_;
  std::unique_ptr<Stub> stub_;
};

}  // namespace

Result<std::unique_ptr<ReviewClient>> ReviewClient::connect(const std::string& socket_path) {
  TRY_ASSIGN(const auto channel, operator_channel(socket_path));
  return std::make_unique<Client>(socket_path, channel);
}

}  // namespace keyward::gateway
