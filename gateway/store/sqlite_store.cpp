#include <mutex>

#include "gateway/store/sealing.hpp"
#include "gateway/store/sqlite.hpp"
#include "gateway/store/store.hpp"

namespace keyward::gateway {
namespace {

// One entry per schema version; a file of version N gets the entries from N on.
constexpr const char* migrations[] = {
    "CREATE TABLE sandboxes (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created INTEGER NOT "
    "NULL, policy BLOB NOT NULL,"
    " policy_hash TEXT NOT NULL, policy_version INTEGER NOT NULL, policy_status TEXT NOT NULL "
    "DEFAULT '');"
    "CREATE TABLE providers (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, type TEXT NOT NULL, "
    "created INTEGER NOT NULL,"
    " credentials BLOB NOT NULL, config TEXT NOT NULL, bindings TEXT NOT NULL);"
    "CREATE TABLE attachments (sandbox_id TEXT NOT NULL REFERENCES sandboxes(id) ON DELETE CASCADE,"
    " provider_id TEXT NOT NULL REFERENCES providers(id), PRIMARY KEY (sandbox_id, provider_id));"
    "CREATE TABLE tokens (jti TEXT PRIMARY KEY, sandbox_id TEXT NOT NULL REFERENCES sandboxes(id) "
    "ON DELETE CASCADE,"
    " expires INTEGER NOT NULL, revoked INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE refreshes (old_jti TEXT PRIMARY KEY REFERENCES tokens(jti) ON DELETE CASCADE, "
    "refresh_id TEXT NOT NULL,"
    " new_jti TEXT NOT NULL REFERENCES tokens(jti) ON DELETE CASCADE);"
    "CREATE INDEX refreshes_by_new ON refreshes(new_jti); CREATE INDEX tokens_by_sandbox ON "
    "tokens(sandbox_id);"
    "CREATE TABLE sealed_check (id INTEGER PRIMARY KEY CHECK (id = 1), sealed BLOB NOT NULL);",
    // When a refresh ended a token; 0: it was not ended so.
    "ALTER TABLE tokens ADD COLUMN refreshed INTEGER NOT NULL DEFAULT 0;"};

std::int64_t millis(TimePoint time) { return time.time_since_epoch().count(); }
TimePoint time_of(std::int64_t value) { return TimePoint(std::chrono::milliseconds(value)); }

constexpr const char* sandbox_columns =
    "SELECT id, name, created, policy, policy_hash, policy_version, policy_status FROM sandboxes";

SandboxRow sandbox_row(const Query& query) {
  SandboxRow row;
  row.id = query.column_text(0);
  row.name = query.column_text(1);
  row.created = time_of(query.column_number(2));
  row.policy = query.column_text(3);
  row.policy_hash = query.column_text(4);
  row.policy_version = static_cast<std::uint32_t>(query.column_number(5));
  row.policy_status = query.column_text(6);
  return row;
}

class SqliteStore final : public Store {
 public:
  SqliteStore(Database database, Sealer sealer)
      : database_(std::move(database)), sealer_(std::move(sealer)) {}

  Result<> migrate() {
    TRY_ASSIGN(Query version, Query::prepare(database_, "PRAGMA user_version"));
    TRY_ASSIGN([[maybe_unused]] const bool row, version.step());
    constexpr auto newest = static_cast<std::int64_t>(std::size(migrations));
    const std::int64_t current = version.column_number(0);
    if (current > newest)
      return fail(Code::unsupported, "database: written by a newer version of the gateway");
    TRY_ASSIGN(Transaction transaction, Transaction::begin(database_));
    for (auto i = static_cast<std::size_t>(current); i < std::size(migrations); ++i)
      TRY(database_.run(migrations[i]));
    TRY(database_.run(("PRAGMA user_version=" + std::to_string(newest)).c_str()));
    TRY(check_key());
    return transaction.commit();
  }

  Result<> create_sandbox(const SandboxRow& row,
                          const std::vector<std::string>& provider_names) override {
    const std::lock_guard lock(mutex_);
    TRY_ASSIGN(Transaction transaction, Transaction::begin(database_));
    TRY_ASSIGN(Query query,
               Query::prepare(
                   database_,
                   "INSERT INTO sandboxes (id, name, created, policy, policy_hash, policy_version)"
                   " VALUES (?, ?, ?, ?, ?, ?)"));
    query.text(row.id)
        .text(row.name)
        .number(millis(row.created))
        .blob(row.policy)
        .text(row.policy_hash)
        .number(row.policy_version);
    Result<> inserted = query.finish();
    if (!inserted && inserted.error().code == Code::exists)
      return fail(Code::exists, "sandbox '" + row.name + "' already exists");
    if (!inserted) return inserted;
    for (const std::string& provider : provider_names) {
      TRY_ASSIGN([[maybe_unused]] const bool changed, attach_locked(row.name, provider));
    }
    return transaction.commit();
  }

  Result<std::vector<SandboxRow>> sandboxes() override {
    const std::lock_guard lock(mutex_);
    TRY_ASSIGN(Query query,
               Query::prepare(database_, std::string(sandbox_columns) + " ORDER BY name"));
    std::vector<SandboxRow> rows;
    for (;;) {
      TRY_ASSIGN(const bool more, query.step());
      if (!more) return rows;
      rows.push_back(sandbox_row(query));
    }
  }

  Result<SandboxRow> sandbox_by_id(const std::string& id) override {
    return find_sandbox(" WHERE id = ?", id);
  }
  Result<SandboxRow> sandbox_by_name(const std::string& name) override {
    return find_sandbox(" WHERE name = ?", name);
  }

  Result<bool> delete_sandbox(const std::string& name) override {
    return change("DELETE FROM sandboxes WHERE name = ?", {name});  // tokens and attachments follow
  }

  Result<> set_policy_status(const std::string& id, const std::string& status) override {
    TRY_ASSIGN([[maybe_unused]] const bool changed,
               change("UPDATE sandboxes SET policy_status = ? WHERE id = ?", {status, id}));
    return {};
  }

  Result<> create_provider(const ProviderRow& row) override {
    TRY_ASSIGN(const std::string sealed, sealer_.seal(row.id, row.credentials));
    const std::lock_guard lock(mutex_);
    TRY_ASSIGN(Query query,
               Query::prepare(database_, "INSERT INTO providers VALUES (?, ?, ?, ?, ?, ?, ?)"));
    query.text(row.id).text(row.name).text(row.type).number(millis(row.created)).blob(sealed);
    query.text(to_json(row.config)).text(to_json(row.bindings));
    Result<> inserted = query.finish();
    if (!inserted && inserted.error().code == Code::exists)
      return fail(Code::exists, "provider '" + row.name + "' already exists");
    return inserted;
  }

  Result<std::vector<ProviderRow>> providers() override {
    return find_providers("SELECT p.* FROM providers p ORDER BY p.name", "");
  }

  Result<std::vector<ProviderRow>> providers_of(const std::string& sandbox_id) override {
    return find_providers(
        "SELECT p.* FROM providers p JOIN attachments a ON a.provider_id = p.id WHERE a.sandbox_id "
        "= ? ORDER BY p.name",
        sandbox_id);
  }

  Result<bool> delete_provider(const std::string& name) override {
    Result<bool> changed = change("DELETE FROM providers WHERE name = ?", {name});
    if (!changed && changed.error().what.find("FOREIGN KEY") != std::string::npos)
      return fail(Code::denied,
                  "provider '" + name + "' is attached to a sandbox; detach it first");
    return changed;
  }

  Result<bool> attach(const std::string& sandbox, const std::string& provider) override {
    const std::lock_guard lock(mutex_);
    return attach_locked(sandbox, provider);
  }

  Result<bool> detach(const std::string& sandbox, const std::string& provider) override {
    return change(
        "DELETE FROM attachments WHERE sandbox_id = (SELECT id FROM sandboxes WHERE name = ?)"
        " AND provider_id = (SELECT id FROM providers WHERE name = ?)",
        {sandbox, provider});
  }

  Result<> add_token(const TokenRow& token) override {
    const std::lock_guard lock(mutex_);
    return insert_token(token);
  }

  Result<TokenStatus> token_status(const std::string& jti) override {
    const std::lock_guard lock(mutex_);
    return status_locked(jti);
  }

  Result<> supersede(const std::string& old_jti, const std::string& refresh_id,
                     const TokenRow& next, TimePoint now) override {
    const std::lock_guard lock(mutex_);
    TRY_ASSIGN(Transaction transaction, Transaction::begin(database_));
    // Asked again inside the transaction: of two refreshes at the same time only one may win.
    TRY_ASSIGN(const TokenStatus status, status_locked(old_jti));
    const bool repeat = status.state == TokenState::superseded && status.refresh_id == refresh_id;
    if (status.state != TokenState::active && !repeat)
      return fail(Code::unauthenticated, "invalid token: it has been refreshed or revoked");
    TRY(insert_token(next));
    // What an earlier answer to the same refresh carried is dead with this one.
    TRY(execute(
        "UPDATE tokens SET revoked = 1 WHERE jti IN (SELECT new_jti FROM refreshes WHERE old_jti = "
        "?)",
        {old_jti}));
    TRY(end_refreshed(old_jti, now));
    TRY(
        execute("INSERT INTO refreshes VALUES (?, ?, ?) ON CONFLICT(old_jti) DO UPDATE SET new_jti "
                "= excluded.new_jti",
                {old_jti, refresh_id, next.jti}));
    return transaction.commit();
  }

  Result<> note_use(const std::string& jti) override {
    const std::lock_guard lock(mutex_);
    TRY_ASSIGN(Query query, Query::prepare(database_, "SELECT 1 FROM refreshes WHERE new_jti = ?"));
    query.text(jti);
    TRY_ASSIGN(const bool pending, query.step());
    if (!pending) return {};  // the usual case costs no write
    return execute("DELETE FROM refreshes WHERE new_jti = ?", {jti});
  }

  Result<> prune(TimePoint now) override {
    const std::lock_guard lock(mutex_);
    TRY_ASSIGN(Query query, Query::prepare(database_, "DELETE FROM tokens WHERE expires < ?"));
    return query.number(millis(now)).finish();
  }

 private:
  Result<TokenStatus> status_locked(const std::string& jti) {
    TRY_ASSIGN(Query query,
               Query::prepare(
                   database_,
                   "SELECT t.revoked, r.refresh_id, t.refreshed FROM tokens t LEFT JOIN refreshes r"
                   " ON r.old_jti = t.jti WHERE t.jti = ?"));
    query.text(jti);
    TRY_ASSIGN(const bool found, query.step());
    if (!found) return TokenStatus{};
    if (query.column_number(0) == 0) return TokenStatus{TokenState::active, "", {}};
    const std::string refresh_id = query.column_text(1);
    return TokenStatus{refresh_id.empty() ? TokenState::revoked : TokenState::superseded,
                       refresh_id, time_of(query.column_number(2))};
  }

  // A text sealed once, so that a wrong key is found at the start and not at the first use of a
  // secret.
  Result<> check_key() {
    TRY_ASSIGN(Query query, Query::prepare(database_, "SELECT sealed FROM sealed_check"));
    TRY_ASSIGN(const bool found, query.step());
    if (found) {
      const auto opened = sealer_.open("check", query.column_text(0));
      if (!opened)
        return fail(Code::denied,
                    "--key-file: this is not the key that the database was made with");
      return {};
    }
    TRY_ASSIGN(const std::string sealed, sealer_.seal("check", {}));
    TRY_ASSIGN(Query insert, Query::prepare(database_, "INSERT INTO sealed_check VALUES (1, ?)"));
    return insert.blob(sealed).finish();
  }

  Result<> execute(std::string_view sql, std::initializer_list<std::string_view> parameters) {
    TRY_ASSIGN(Query query, Query::prepare(database_, sql));
    for (const std::string_view parameter : parameters) query.text(parameter);
    return query.finish();
  }

  Result<bool> change(std::string_view sql, std::initializer_list<std::string_view> parameters) {
    const std::lock_guard lock(mutex_);
    TRY(execute(sql, parameters));
    return database_.changes() > 0;
  }

  Result<> insert_token(const TokenRow& token) {
    TRY_ASSIGN(Query query,
               Query::prepare(database_,
                              "INSERT INTO tokens (jti, sandbox_id, expires) VALUES (?, ?, ?)"));
    return query.text(token.jti).text(token.sandbox_id).number(millis(token.expires)).finish();
  }

  // A repeat does not move the instant.
  Result<> end_refreshed(const std::string& jti, TimePoint now) {
    TRY_ASSIGN(Query query,
               Query::prepare(database_,
                              "UPDATE tokens SET revoked = 1, refreshed = CASE refreshed WHEN 0 "
                              "THEN ? ELSE refreshed END WHERE jti = ?"));
    return query.number(millis(now)).text(jti).finish();
  }

  Result<bool> attach_locked(const std::string& sandbox, const std::string& provider) {
    for (const auto& [table, name] : {std::pair{"sandbox", sandbox}, {"provider", provider}}) {
      TRY_ASSIGN(Query query,
                 Query::prepare(database_, std::string(table) == "sandbox"
                                               ? "SELECT 1 FROM sandboxes WHERE name = ?"
                                               : "SELECT 1 FROM providers WHERE name = ?"));
      query.text(name);
      TRY_ASSIGN(const bool found, query.step());
      if (!found) return fail(Code::not_found, std::string(table) + " '" + name + "' not found");
    }
    TRY(
        execute("INSERT OR IGNORE INTO attachments SELECT s.id, p.id FROM sandboxes s, providers p "
                "WHERE s.name = ? AND p.name = ?",
                {sandbox, provider}));
    return database_.changes() > 0;
  }

  Result<SandboxRow> find_sandbox(const char* where, const std::string& value) {
    const std::lock_guard lock(mutex_);
    TRY_ASSIGN(Query query, Query::prepare(database_, std::string(sandbox_columns) + where));
    query.text(value);
    TRY_ASSIGN(const bool found, query.step());
    if (!found) return fail(Code::not_found, "sandbox not found");
    return sandbox_row(query);
  }

  Result<std::vector<ProviderRow>> find_providers(std::string_view sql,
                                                  const std::string& parameter) {
    const std::lock_guard lock(mutex_);
    TRY_ASSIGN(Query query, Query::prepare(database_, sql));
    if (!parameter.empty()) query.text(parameter);
    std::vector<ProviderRow> rows;
    for (;;) {
      TRY_ASSIGN(const bool more, query.step());
      if (!more) return rows;
      ProviderRow row;
      row.id = query.column_text(0);
      row.name = query.column_text(1);
      row.type = query.column_text(2);
      row.created = time_of(query.column_number(3));
      TRY_ASSIGN(row.credentials, sealer_.open(row.id, query.column_text(4)));
      TRY_ASSIGN(row.config, map_from_json(query.column_text(5)));
      TRY_ASSIGN(row.bindings, list_from_json(query.column_text(6)));
      rows.push_back(std::move(row));
    }
  }

  std::mutex mutex_;
  Database database_;
  Sealer sealer_;
};

}  // namespace

Result<std::unique_ptr<Store>> open_sqlite_store(const std::string& path, const Secret& key) {
  TRY_ASSIGN(Database database, Database::open(path));
  auto store = std::make_unique<SqliteStore>(std::move(database), Sealer(key.clone()));
  TRY(store->migrate());
  return store;
}

}  // namespace keyward::gateway
