#pragma once
// Where the sandbox's token comes from, and where a refreshed one is kept for the next start.

#include <memory>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "identity/token/slot.hpp"
#include "identity/token/transport.hpp"

namespace keyward::identity {

// Checks the form and reads the claims (unverified).  `from` names the setting in errors; the token
// itself is never in them.
Result<std::shared_ptr<const Token>> parse_token(Secret bearer, std::string_view from);

// The file of OPENSHELL_SANDBOX_TOKEN_FILE.  Not thread-safe; one owner.
class TokenFile {
 public:
  explicit TokenFile(std::string path) : path_(std::move(path)) {}
  Result<std::shared_ptr<const Token>> read() const;
  Result<> write(const Token& token) const;  // 0600, atomic and durable

  // The id to ask for a refresh of `token` with: that of one whose answer was never kept, or a new
  // one.  It is noted in PATH.refresh, 0600, before it is returned, so that who ends in the middle
  // can ask again: the gateway takes the old token for nothing else any more.
  std::string begin_refresh(const Token& token) const;
  Result<> end_refresh(const Token& next) const;  // write(), and the note goes
  bool has_pending_refresh(const Token& token) const;

  // Empty, or why a refreshed token cannot be kept: a restart would find a token that is revoked.
  std::string write_obstacle() const;
  const std::string& path() const { return path_; }

 private:
  std::string note_path() const { return path_ + ".refresh"; }
  std::string pending_refresh(const Token& token) const;  // empty: none

  std::string path_;
};

// The projected ServiceAccount token of OPENSHELL_K8S_SA_TOKEN_FILE, which the gateway exchanges
// for a token of its own.  The kubelet rotates the file, so each exchange reads it anew.
class ServiceAccountFile {
 public:
  explicit ServiceAccountFile(std::string path) : path_(std::move(path)) {}
  RpcResult<std::shared_ptr<const Token>> exchange(RefreshTransport& transport) const;

 private:
  std::string path_;
};

struct TokenSettings {
  Secret value;                 // OPENSHELL_SANDBOX_TOKEN, taken out of the environment
  std::string file;             // OPENSHELL_SANDBOX_TOKEN_FILE
  std::string kubernetes_file;  // OPENSHELL_K8S_SA_TOKEN_FILE
};

struct AcquiredToken {
  std::shared_ptr<const Token> token;  // null: it is to be had by exchange
  std::optional<TokenFile> file;       // set: the token came from it
  std::optional<ServiceAccountFile> service_account;
};

// The first setting that is not empty decides; a bad token there is an error, never a reason to try
// the next one.
Result<AcquiredToken> acquire_token(TokenSettings settings);

}  // namespace keyward::identity
