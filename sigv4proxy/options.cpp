#include "sigv4proxy/options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

namespace keyward::sigv4proxy {
namespace {

constexpr const char* about =
    "Keyward sigv4-proxy: signs requests of callers that cannot sign, and forwards them.";

constexpr const char* footer = R"(Credentials, the first that is configured:
  1. AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
  2. the profile of AWS_PROFILE (default: `default`) in AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE:
     keys, credential_process, role_arn with source_profile, credential_source or web_identity_token_file
  3. AWS_ROLE_ARN with AWS_WEB_IDENTITY_TOKEN_FILE
  4. AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or AWS_CONTAINER_CREDENTIALS_FULL_URI
  5. the instance's metadata service (IMDSv2), unless AWS_EC2_METADATA_DISABLED=true
They are renewed in the background; without a usable key a request is answered with 503, never forwarded.

Signals: TERM, INT and QUIT end the program after the requests that are under way; HUP reads --cert and --key again.

Exit codes: 0 ended as asked, 2 a wrong option, 1 everything else.

Examples:
  sigv4-proxy --forward-to https://s3.eu-central-1.amazonaws.com
  sigv4-proxy -f https://minio.example.com/prefix -s s3 -r us-east-1 -l 127.0.0.1:8080 --ca ca.pem)";

const std::map<std::string, log::Level> log_levels = {{"debug", log::Level::debug},
                                                      {"info", log::Level::info},
                                                      {"warn", log::Level::warn},
                                                      {"error", log::Level::error}};

CLI::Option* repeatable(CLI::Option* option) {
  return option->allow_extra_args(false)->delimiter(',');
}

void declare_target(CLI::App& app, Options& options) {
  auto* forward = app.add_option("--forward-to,-f", options.forward_to,
                                 "URL to forward to; a path in it comes before every request's");
  auto* host = app.add_option("--host", options.host, "HOST[:PORT] to proxy to, instead of a URL")
                   ->excludes(forward);
  app.add_option("--upstream-url-scheme", options.scheme, "http | https, with --host")
      ->check(CLI::IsMember({"http", "https"}))
      ->needs(host);
  auto* any = app.add_flag("--any-aws-host", options.any_aws_host,
                           "proxy each request to the AWS endpoint that its Host header names, "
                           "over https: whoever reaches the port can use all of AWS with the "
                           "proxy's keys")
                  ->excludes(forward)
                  ->excludes(host);
  app.add_option("--sign-host", options.sign_host,
                 "Host header to send and to sign (default: the URL's)")
      ->excludes(any);
  app.add_option("--service,-s,--name", options.service,
                 "service to sign for (default: what the host's name says)");
  app.add_option("--region,-r", options.region,
                 "region to sign for (default: what the host's name says, then the AWS "
                 "configuration)");
  auto* v4a = app.add_flag("--sigv4a", options.sigv4a,
                           "sign with SigV4a (ECDSA): good in every region of --region-set");
  app.add_option("--region-set", options.region_set,
                 "regions of SigV4a, `us-east-1,eu-*` or `*` (default: the region)")
      ->needs(v4a);
  app.add_option("--assume-role,-a,--role-arn", options.role_arn,
                 "ARN of a role to assume with the credentials below");
}

void declare_listening(CLI::App& app, Options& options) {
  app.add_option("--listen-on,-l,--port", options.listen_on,
                 "[ADDRESS]:PORT to listen on (default: 0.0.0.0:8080)");
  app.add_option("--utility-port,-u", options.utility_port,
                 "port of /health and /metrics, on the same address (default: 9090; 0: none)");
  auto* cert = app.add_option("--cert,-c", options.cert_file,
                              "PEM file of a certificate with its chain: clients speak TLS");
  auto* key = app.add_option("--key,-k", options.key_file, "PEM file of its key");
  cert->needs(key);
  key->needs(cert);
  app.add_option("--threads", options.threads, "threads (default: 2)")->check(CLI::Range(1, 64));
}

void declare_limits(CLI::App& app, Options& options) {
  const CLI::Range seconds(1, 3600);
  app.add_option("--connect-timeout", options.connect_timeout,
                 "seconds to reach the upstream, for each request (default: 10)")
      ->check(seconds);
  app.add_option("--request-timeout", options.request_timeout,
                 "seconds in which each request must make progress: the upstream takes it, begins "
                 "its answer, goes on with it (default: 30)")
      ->check(seconds);
  app.add_option(
         "--signature-lifetime", options.signature_lifetime,
         "seconds after which a signature is good no more: requests are signed in the query, "
         "like presigned URLs (default: in the header, where AWS accepts 15 minutes)")
      ->check(seconds);
  app.add_option("--transport.idle-conn-timeout", options.upstream_idle,
                 "seconds that an unused upstream connection is kept (default: 40)")
      ->check(seconds);
  app.add_option("--drain-timeout", options.drain_timeout,
                 "seconds that requests have to end after TERM (default: 30)")
      ->check(CLI::Range(0, 3600));
  app.add_option("--hold-limit", options.hold_kib,
                 "KiB of a body that are held where its hash must be known first (default: 16384)")
      ->check(CLI::Range(64, 1024 * 1024));
}

void declare_upstream_tls(CLI::App& app, Options& options) {
  app.add_option("--ca", options.ca_file,
                 "PEM file of the authorities to trust, instead of the system's");
  app.add_flag("--no-verify-ssl", options.no_verify_ssl,
               "take any certificate of the upstream: whoever is between can read and change "
               "everything");
  repeatable(app.add_option("--host-alias", options.host_aliases,
                            "NAME=IP for a name without DNS (repeatable)"));
}

void declare_rewriting(CLI::App& app, Options& options) {
  repeatable(app.add_option("--strip-header,--strip", options.strip_headers,
                            "request header to take out; NAME* for a prefix (repeatable)"));
  repeatable(app.add_option("--strip-param", options.strip_params,
                            "query parameter to take out; NAME* for a prefix (repeatable)"));
  repeatable(app.add_option("--duplicate-headers", options.duplicate_headers,
                            "request header to send as X-Original-NAME too (repeatable)"));
  repeatable(app.add_option("--custom-headers", options.custom_headers,
                            "NAME=VALUE to set on every request (repeatable)"));
  app.add_flag("--unsigned-payload", options.unsigned_payload,
               "sign UNSIGNED-PAYLOAD instead of the body's hash");
  app.add_option("--verify-chunks", options.verify_chunks,
                 "file with the keys of clients: only what they have signed is signed, signed "
                 "chunks are verified while they stream (docs/SIGV4_PROXY.md)");
  app.add_flag("--dry-run", options.dry_run,
               "answer with the canonical request instead of forwarding, and print it");
}

void declare_log(CLI::App& app, Options& options) {
  app.add_option("--log-level", options.log_level, "debug | info | warn | error (default: info)")
      ->transform(CLI::CheckedTransformer(log_levels));
  app.add_flag_callback(
      "--verbose,-v",
      [&options] {
        options.log_level = log::Level::debug;
        options.log_failed_requests = options.log_signing = true;
      },
      "--log-level debug and both of the following");
  app.add_flag("--log-failed-requests", options.log_failed_requests,
               "log the body of answers with status 400 and above (its first 2 KiB)");
  app.add_flag("--log-signing-process", options.log_signing,
               "log canonical requests and strings to sign, without secrets");
}

}  // namespace

Result<std::variant<Options, AskedText>> parse_options(const std::vector<std::string>& arguments) {
  Options options;
  CLI::App app(about, "sigv4-proxy");
  app.set_version_flag("--version", KEYWARD_VERSION);
  declare_target(app, options);
  declare_listening(app, options);
  declare_limits(app, options);
  declare_upstream_tls(app, options);
  declare_rewriting(app, options);
  declare_log(app, options);
  app.footer(footer);
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(std::move(reversed));  // CLI11 takes its vector from the back
  } catch (const CLI::CallForHelp&) {
    return AskedText{app.help()};
  } catch (const CLI::CallForVersion&) {
    return AskedText{std::string("sigv4-proxy ") + KEYWARD_VERSION + "\n"};
  } catch (const CLI::ParseError& error) {
    return fail(Code::invalid, std::string(error.what()) + " (see sigv4-proxy --help)");
  }
  if (options.forward_to.empty() && options.host.empty() && !options.any_aws_host)
    return fail(Code::invalid, "--forward-to URL is missing (see sigv4-proxy --help)");
  return options;
}

}  // namespace keyward::sigv4proxy
