#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "base/log.hpp"
#include "gateway/store/sql_store.hpp"

namespace keyward::gateway {
namespace {

constexpr std::chrono::hours kept_after_end{24};
constexpr std::string_view hash_prefix = "sha256:";

// What is stored of a refresh id: who reads the database cannot ask with it.
std::string mark_of(std::string_view refresh_id) {
  return std::string(hash_prefix) + hex(sha256(refresh_id));
}

constexpr std::string_view status_of_token =
    "SELECT t.revoked, r.refresh_id, t.refreshed FROM tokens t LEFT JOIN refreshes r"
    " ON r.old_jti = t.jti WHERE t.jti = ?";

// A row that this gateway did not write so is no token: only the number 0 says that one is alive.
bool is_damaged(const SqlCell& revoked) {
  const auto* number = std::get_if<std::int64_t>(&revoked);
  return number == nullptr || (*number != 0 && *number != 1);
}

TokenStatus status_from(const std::string& jti, const SqlResult& found) {
  if (found.rows.empty()) return {};
  const SqlRow& row = found.rows[0];
  if (is_damaged(row.cells.at(0))) {
    log::error("token_row_damaged", {{"jti", jti}, {"effect", "the token is revoked"}});
    return {TokenState::revoked, "", {}};
  }
  if (row.number(0) == 0) return {TokenState::active, "", {}};
  const std::string mark = row.text(1);
  return {mark.empty() ? TokenState::revoked : TokenState::superseded, mark,
          time_of(row.number(2))};
}

Result<> insert_token(SqlSession& session, const TokenRow& token) {
  auto done = session.run("INSERT INTO tokens (jti, sandbox_id, expires) VALUES (?, ?, ?)",
                          {token.jti, token.sandbox_id, millis(token.expires)});
  if (done) return {};
  if (done.error().code == Code::denied) return fail(Code::not_found, "sandbox not found");
  return tl::unexpected(std::move(done).error());
}

}  // namespace

bool TokenStatus::repeats(std::string_view refresh_id) const {
  if (refresh_mark.empty()) return false;
  // Databases of earlier versions have the id itself.
  const bool hashed = refresh_mark.starts_with(hash_prefix);
  return equal_in_constant_time(hashed ? mark_of(refresh_id) : refresh_id, refresh_mark);
}

Result<> SqlStore::add_token(const TokenRow& token) {
  TRY_ASSIGN(const SqlLease session, database_->lease());
  return insert_token(*session, token);
}

Result<TokenStatus> SqlStore::token_status(const std::string& jti) {
  TRY_ASSIGN(const SqlResult found, read(status_of_token, {jti}));
  return status_from(jti, found);
}

Result<> SqlStore::supersede(const std::string& old_jti, const std::string& refresh_id,
                             const TokenRow& next, TimePoint now) {
  const std::string mark = mark_of(refresh_id);
  return database_->transact_together([&](SqlSession& session) -> Result<> {
    // Asked again inside the transaction: of two refreshes at the same time only one may win.
    TRY_ASSIGN(const SqlResult found, session.run(status_of_token, {old_jti}));
    const TokenStatus status = status_from(old_jti, found);
    const bool repeat = status.state == TokenState::superseded && status.repeats(refresh_id);
    if (status.state != TokenState::active && !repeat)
      return fail(Code::unauthenticated, "invalid token: it has been refreshed or revoked");
    TRY(insert_token(session, next));
    // What an earlier answer to the same refresh carried is dead with this one.
    TRY(
        session.run("UPDATE tokens SET revoked = 1"
                    " WHERE jti IN (SELECT new_jti FROM refreshes WHERE old_jti = ?)",
                    {old_jti}));
    // A repeat does not move the instant.
    TRY(
        session.run("UPDATE tokens SET revoked = 1,"
                    " refreshed = CASE refreshed WHEN 0 THEN ? ELSE refreshed END WHERE jti = ?",
                    {millis(now), old_jti}));
    TRY(
        session.run("INSERT INTO refreshes VALUES (?, ?, ?)"
                    " ON CONFLICT(old_jti) DO UPDATE SET new_jti = excluded.new_jti",
                    {old_jti, mark, next.jti}));
    return {};
  });
}

Result<> SqlStore::note_use(const std::string& jti) {
  TRY_ASSIGN(const SqlResult pending, read("SELECT 1 FROM refreshes WHERE new_jti = ?", {jti}));
  if (pending.rows.empty()) return {};  // the usual case costs no write
  return database_->transact_together([&](SqlSession& session) -> Result<> {
    TRY(session.run("DELETE FROM refreshes WHERE new_jti = ?", {jti}));
    return {};
  });
}

Result<> SqlStore::prune(TimePoint now) {
  TRY(run("DELETE FROM tokens WHERE expires < ?", {millis(now - kept_after_end)}));
  return {};
}

}  // namespace keyward::gateway
