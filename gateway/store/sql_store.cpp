#include "gateway/store/sql_store.hpp"

namespace keyward::gateway {
namespace {

// One entry per schema version; a database of version N gets the entries from N on.
constexpr const char* migrations[] = {
    "CREATE TABLE sandboxes (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created BIGINT NOT "
    "NULL, policy BLOB NOT NULL,"
    " policy_hash TEXT NOT NULL, policy_version BIGINT NOT NULL, policy_status TEXT NOT NULL "
    "DEFAULT '');"
    "CREATE TABLE providers (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, type TEXT NOT NULL, "
    "created BIGINT NOT NULL,"
    " credentials BLOB NOT NULL, config TEXT NOT NULL, bindings TEXT NOT NULL);"
    "CREATE TABLE attachments (sandbox_id TEXT NOT NULL REFERENCES sandboxes(id) ON DELETE CASCADE,"
    " provider_id TEXT NOT NULL REFERENCES providers(id), PRIMARY KEY (sandbox_id, provider_id));"
    "CREATE TABLE tokens (jti TEXT PRIMARY KEY, sandbox_id TEXT NOT NULL REFERENCES sandboxes(id) "
    "ON DELETE CASCADE,"
    " expires BIGINT NOT NULL, revoked BIGINT NOT NULL DEFAULT 0);"
    "CREATE TABLE refreshes (old_jti TEXT PRIMARY KEY REFERENCES tokens(jti) ON DELETE CASCADE, "
    "refresh_id TEXT NOT NULL,"
    " new_jti TEXT NOT NULL REFERENCES tokens(jti) ON DELETE CASCADE);"
    "CREATE INDEX refreshes_by_new ON refreshes(new_jti); CREATE INDEX tokens_by_sandbox ON "
    "tokens(sandbox_id);"
    "CREATE TABLE sealed_check (id BIGINT PRIMARY KEY CHECK (id = 1), sealed BLOB NOT NULL);",
    // When a refresh ended a token; 0: it was not ended so.
    "ALTER TABLE tokens ADD COLUMN refreshed BIGINT NOT NULL DEFAULT 0;",
    // Every revision of a policy, with its text as it was given.
    "CREATE TABLE policies (sandbox_id TEXT NOT NULL REFERENCES sandboxes(id) ON DELETE CASCADE,"
    " version BIGINT NOT NULL, policy BLOB NOT NULL, hash TEXT NOT NULL, source TEXT NOT NULL,"
    " created BIGINT NOT NULL, status TEXT NOT NULL, load_error TEXT NOT NULL DEFAULT '',"
    " PRIMARY KEY (sandbox_id, version));"
    "INSERT INTO policies (sandbox_id, version, policy, hash, source, created, status)"
    " SELECT id, policy_version, policy, policy_hash, '', created,"
    " CASE policy_status WHEN '' THEN 'pending' ELSE policy_status END"
    " FROM sandboxes WHERE policy_version > 0;"
    "ALTER TABLE sandboxes DROP COLUMN policy; ALTER TABLE sandboxes DROP COLUMN policy_hash;"
    "ALTER TABLE sandboxes DROP COLUMN policy_version;"
    "ALTER TABLE sandboxes DROP COLUMN policy_status;",
    // How the main program ended; no instance: it has not.
    "ALTER TABLE sandboxes ADD COLUMN exit_instance TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE sandboxes ADD COLUMN exit_code BIGINT NOT NULL DEFAULT 0;"
    "ALTER TABLE sandboxes ADD COLUMN exited BIGINT NOT NULL DEFAULT 0;",
    // What users say of sandboxes and providers, and a table for all kinds of records.
    "ALTER TABLE sandboxes ADD COLUMN spec BLOB NOT NULL DEFAULT '';"
    "ALTER TABLE sandboxes ADD COLUMN labels TEXT NOT NULL DEFAULT '{}';"
    "ALTER TABLE sandboxes ADD COLUMN annotations TEXT NOT NULL DEFAULT '{}';"
    "ALTER TABLE sandboxes ADD COLUMN resource_version BIGINT NOT NULL DEFAULT 1;"
    "ALTER TABLE providers ADD COLUMN expires TEXT NOT NULL DEFAULT '{}';"
    "ALTER TABLE providers ADD COLUMN resource_version BIGINT NOT NULL DEFAULT 1;"
    "ALTER TABLE policies ADD COLUMN loaded BIGINT NOT NULL DEFAULT 0;"
    "ALTER TABLE policies ADD COLUMN provenance TEXT NOT NULL DEFAULT '{}';"
    // The credentials' names as a JSON list, so that they can be read without unsealing; '': not
    // known yet.
    "ALTER TABLE providers ADD COLUMN variables TEXT NOT NULL DEFAULT '';"
    "CREATE TABLE records (kind TEXT NOT NULL, owner TEXT NOT NULL, name TEXT NOT NULL,"
    " version BIGINT NOT NULL, created BIGINT NOT NULL, body BLOB NOT NULL,"
    " PRIMARY KEY (kind, owner, name));",
    // Services and regions as JSON lists; none: the credentials themselves are handed out.
    "ALTER TABLE providers ADD COLUMN derived_services TEXT NOT NULL DEFAULT '[]';"
    "ALTER TABLE providers ADD COLUMN derived_regions TEXT NOT NULL DEFAULT '[]';"};

}  // namespace

std::int64_t millis(TimePoint time) { return time.time_since_epoch().count(); }
TimePoint time_of(std::int64_t value) { return TimePoint(std::chrono::milliseconds(value)); }

Result<> SqlStore::migrate() {
  TRY_ASSIGN(const SqlLease session, database_->lease());
  TRY(session->begin_migration());
  Transaction transaction(*session);
  constexpr auto newest = static_cast<std::int64_t>(std::size(migrations));
  TRY_ASSIGN(const std::int64_t current, session->schema_version());
  if (current > newest)
    return fail(Code::unsupported, "database: written by a newer version of the gateway");
  for (auto i = static_cast<std::size_t>(current); i < std::size(migrations); ++i)
    TRY(session->script(migrations[i]));
  if (current < newest) TRY(session->set_schema_version(newest));
  TRY(check_key(*session));
  TRY(name_variables(*session));
  return transaction.commit();
}

// A text sealed once, so that a wrong key is found at the start and not at the first use of a
// secret.
Result<> SqlStore::check_key(SqlSession& session) {
  TRY_ASSIGN(const SqlResult found, session.run("SELECT sealed FROM sealed_check"));
  if (!found.rows.empty()) {
    if (sealer_.open("check", found.rows[0].text(0))) return {};
    return fail(Code::denied,
                "--key-file or --key-command: this is not the key that the database was made with");
  }
  TRY_ASSIGN(const std::string sealed, sealer_.seal("check", {}));
  TRY(session.run("INSERT INTO sealed_check VALUES (1, ?)", {Blob{sealed}}));
  return {};
}

Result<SqlResult> SqlStore::run(std::string_view sql,
                                std::initializer_list<SqlParameter> parameters) {
  TRY_ASSIGN(const SqlLease session, database_->lease());
  return session->run(sql, parameters);
}

Result<SqlResult> SqlStore::read(std::string_view sql,
                                 std::initializer_list<SqlParameter> parameters) {
  TRY_ASSIGN(const SqlLease session, database_->lease_to_read());
  return session->run(sql, parameters);
}

Result<std::unique_ptr<Store>> open_store(const std::string& database, const Secret& key,
                                          GivenRule rule) {
  TRY_ASSIGN(auto opened,
             names_postgres(database) ? open_postgres(database) : open_sqlite(database));
  auto store = std::make_unique<SqlStore>(std::move(opened), Sealer(key.clone()), std::move(rule));
  TRY(store->migrate());
  return store;
}

}  // namespace keyward::gateway
