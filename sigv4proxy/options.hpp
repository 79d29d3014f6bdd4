#pragma once
// What the command line asks for.  Each option is declared once (options.cpp): name, target and
// help stand together.  The names are those of the proxies that people come from.

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/log.hpp"
#include "base/result.hpp"

namespace keyward::sigv4proxy {

struct Options {
  // Where to
  std::string forward_to;        // URL, its path is put before every request's
  std::string host;              // instead of forward_to: host[:port] to proxy to
  std::string scheme = "https";  // with host
  bool any_aws_host = false;     // instead of both: each request's own
  std::string sign_host;         // the Host header that is sent and signed
  // As whom
  std::string service, region, role_arn;
  bool sigv4a = false;
  std::string region_set;  // of SigV4a
  // Listening
  std::string listen_on = "0.0.0.0:8080";
  std::uint16_t utility_port = 9090;
  std::string cert_file, key_file;
  unsigned threads = 2;
  // Limits, in seconds
  unsigned connect_timeout = 10, request_timeout = 30, signature_lifetime = 0;
  unsigned upstream_idle = 40, drain_timeout = 30;
  unsigned hold_kib = 16 * 1024;  // of a body that must be known before its request is signed
  // TLS to the upstream
  std::string ca_file;
  bool no_verify_ssl = false;
  std::vector<std::string> host_aliases;  // NAME=IP
  // What is changed in requests
  std::vector<std::string> strip_headers, strip_params, duplicate_headers, custom_headers;
  bool unsigned_payload = false;
  bool dry_run = false;
  // Verification of the clients' own signatures
  std::string verify_chunks;  // file with keys
  // Log
  log::Level log_level = log::Level::info;
  bool log_failed_requests = false, log_signing = false;
};

// Text that was asked for (--help, --version): print it and end with code 0.
struct AskedText {
  std::string text;
};

// Errors are usage errors: one line, exit code 2.
Result<std::variant<Options, AskedText>> parse_options(const std::vector<std::string>& arguments);

}  // namespace keyward::sigv4proxy
