#include "gateway/store/sql_store.hpp"

namespace keyward::gateway {
namespace {

// With the newest revision of its policy, if there is one.
constexpr std::string_view sandbox_columns =
    "SELECT s.id, s.name, s.created, p.policy, p.hash, p.version, p.status,"
    " s.exit_instance, s.exit_code, s.exited, s.spec, s.labels, s.annotations, s.resource_version"
    " FROM sandboxes s"
    " LEFT JOIN policies p ON p.sandbox_id = s.id"
    " AND p.version = (SELECT MAX(version) FROM policies WHERE sandbox_id = s.id)";

constexpr std::string_view policy_columns =
    "SELECT version, policy, hash, source, created, status, load_error, loaded, provenance"
    " FROM policies";

Result<PolicyRow> policy_of(const SqlRow& cells) {
  TRY_ASSIGN(auto provenance, map_from_json(cells.text(8)));
  return PolicyRow{static_cast<std::uint32_t>(cells.number(0)),
                   cells.text(1),
                   cells.text(2),
                   cells.text(3),
                   time_of(cells.number(4)),
                   cells.text(5),
                   cells.text(6),
                   time_of(cells.number(7)),
                   std::move(provenance)};
}

Result<SandboxRow> sandbox_of(const SqlRow& cells) {
  SandboxRow row;
  row.id = cells.text(0);
  row.name = cells.text(1);
  row.created = time_of(cells.number(2));
  row.policy = cells.text(3);
  row.policy_hash = cells.text(4);
  row.policy_version = static_cast<std::uint32_t>(cells.number(5));
  row.policy_status = cells.text(6);
  if (const std::string instance = cells.text(7); !instance.empty())
    row.exit =
        MainExit{instance, static_cast<std::int32_t>(cells.number(8)), time_of(cells.number(9))};
  row.notes.spec = cells.text(10);
  TRY_ASSIGN(row.notes.labels, map_from_json(cells.text(11)));
  TRY_ASSIGN(row.notes.annotations, map_from_json(cells.text(12)));
  row.resource_version = static_cast<std::uint64_t>(cells.number(13));
  return row;
}

Result<> insert_policy(SqlSession& session, const std::string& sandbox_id,
                       const PolicyRow& policy) {
  TRY(
      session.run("INSERT INTO policies (sandbox_id, version, policy, hash, source, created, "
                  "status, provenance)"
                  " VALUES (?, ?, ?, ?, ?, ?, 'pending', ?)",
                  {sandbox_id, std::int64_t{policy.version}, Blob{policy.policy}, policy.hash,
                   policy.source, millis(policy.created), to_json(policy.provenance)}));
  return {};
}

}  // namespace

Result<> SqlStore::create_sandbox(const NewSandboxRow& sandbox,
                                  const std::vector<std::string>& provider_names) {
  return transact(*database_, [&](SqlSession& session) -> Result<> {
    auto inserted = session.run(
        "INSERT INTO sandboxes (id, name, created, spec, labels, annotations)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        {sandbox.id, sandbox.name, millis(sandbox.created), Blob{sandbox.notes.spec},
         to_json(sandbox.notes.labels), to_json(sandbox.notes.annotations)});
    if (!inserted && inserted.error().code == Code::exists)
      return fail(Code::exists, "sandbox '" + sandbox.name + "' already exists");
    if (!inserted) return tl::unexpected(std::move(inserted).error());
    if (sandbox.policy) TRY(insert_policy(session, sandbox.id, *sandbox.policy));
    for (const std::string& provider : provider_names)
      TRY(attach_in(session, sandbox.id, provider));
    return {};
  });
}

Result<std::vector<SandboxRow>> SqlStore::sandboxes(const SandboxPage& page) {
  TRY_ASSIGN(const SqlResult found, read(std::string(sandbox_columns) +
                                             " WHERE s.name > ? ORDER BY s.name LIMIT ? OFFSET ?",
                                         {page.after, page.limit, page.offset}));
  std::vector<SandboxRow> rows;
  for (const SqlRow& cells : found.rows) {
    TRY_ASSIGN(SandboxRow row, sandbox_of(cells));
    rows.push_back(std::move(row));
  }
  return rows;
}

Result<SandboxRow> SqlStore::find_sandbox(std::string_view where, const std::string& value) {
  TRY_ASSIGN(const SqlResult found, read(std::string(sandbox_columns).append(where), {value}));
  if (found.rows.empty()) return fail(Code::not_found, "sandbox not found");
  return sandbox_of(found.rows[0]);
}

Result<SandboxRow> SqlStore::sandbox_by_id(const std::string& id) {
  return find_sandbox(" WHERE s.id = ?", id);
}
Result<SandboxRow> SqlStore::sandbox_by_name(const std::string& name) {
  return find_sandbox(" WHERE s.name = ?", name);
}

Result<bool> SqlStore::delete_sandbox(const std::string& name) {
  return transact(*database_, [&](SqlSession& session) -> Result<bool> {
    TRY(session.run("DELETE FROM records WHERE owner = (SELECT id FROM sandboxes WHERE name = ?)",
                    {name}));
    // Its tokens, policies and attachments follow.
    TRY_ASSIGN(const SqlResult done, session.run("DELETE FROM sandboxes WHERE name = ?", {name}));
    return done.changed > 0;
  });
}

Result<bool> SqlStore::delete_sandbox_by_id(const std::string& id) {
  return transact(*database_, [&](SqlSession& session) -> Result<bool> {
    // Not by the id alone: the gateway's own records have an empty owner.
    TRY(session.run("DELETE FROM records WHERE owner = (SELECT id FROM sandboxes WHERE id = ?)",
                    {id}));
    TRY_ASSIGN(const SqlResult done, session.run("DELETE FROM sandboxes WHERE id = ?", {id}));
    return done.changed > 0;
  });
}

Result<> touch_in(SqlSession& session, const std::string& sandbox_id, std::uint64_t expected) {
  constexpr std::string_view touch =
      "UPDATE sandboxes SET resource_version = resource_version + 1 WHERE id = ?";
  // What is beyond a BIGINT becomes negative and so is no version of any row.
  TRY_ASSIGN(const SqlResult done,
             expected == 0 ? session.run(touch, {sandbox_id})
                           : session.run(std::string(touch) + " AND resource_version = ?",
                                         {sandbox_id, static_cast<std::int64_t>(expected)}));
  if (done.changed > 0) return {};
  TRY_ASSIGN(const SqlResult found,
             session.run("SELECT 1 FROM sandboxes WHERE id = ?", {sandbox_id}));
  if (found.rows.empty()) return fail(Code::not_found, "sandbox not found");
  return fail(Code::conflict, "the sandbox's resource version is not " + std::to_string(expected));
}

Result<> SqlStore::touch_sandbox(const std::string& id, std::uint64_t expected) {
  TRY_ASSIGN(const SqlLease session, database_->lease());
  return touch_in(*session, id, expected);
}

Result<std::map<std::string, std::string>> SqlStore::add_annotations(
    const std::string& id, const std::map<std::string, std::string>& added) {
  using Annotations = std::map<std::string, std::string>;
  return transact(*database_, [&](SqlSession& session) -> Result<Annotations> {
    TRY_ASSIGN(const SqlResult found,
               session.run("SELECT annotations FROM sandboxes WHERE id = ?", {id}));
    if (found.rows.empty()) return fail(Code::not_found, "sandbox not found");
    Annotations all = added;
    TRY_ASSIGN(Annotations held, map_from_json(found.rows[0].text(0)));
    all.merge(held);
    TRY(session.run("UPDATE sandboxes SET annotations = ? WHERE id = ?", {to_json(all), id}));
    return all;
  });
}

Result<std::uint32_t> SqlStore::add_policy(const std::string& sandbox_id, const PolicyRow& policy,
                                           std::optional<std::uint32_t> after) {
  return transact(*database_, [&](SqlSession& session) -> Result<std::uint32_t> {
    TRY_ASSIGN(const SqlResult newest,
               session.run("SELECT version, hash FROM policies WHERE sandbox_id = ?"
                           " ORDER BY version DESC LIMIT 1",
                           {sandbox_id}));
    PolicyRow next = policy;
    next.version = newest.rows.empty() ? 1 : static_cast<std::uint32_t>(newest.rows[0].number(0));
    if (after && *after != (newest.rows.empty() ? 0 : next.version))
      return fail(Code::conflict, "the policy has changed meanwhile; look at it and try again");
    if (!newest.rows.empty()) {
      if (newest.rows[0].text(1) == policy.hash) return next.version;  // nothing new
      ++next.version;
    }
    const Result<> inserted = insert_policy(session, sandbox_id, next);
    if (inserted) {
      TRY(session.run("DELETE FROM policies WHERE sandbox_id = ? AND version <= ?",
                      {sandbox_id, std::int64_t{next.version} - policies_kept}));
      return next.version;
    }
    if (inserted.error().code == Code::denied) return fail(Code::not_found, "sandbox not found");
    // The version is taken: another replica was faster.
    return fail(inserted.error().code == Code::exists ? Code::conflict : inserted.error().code,
                inserted.error().what);
  });
}

Result<std::vector<PolicyRow>> SqlStore::policies(const std::string& sandbox_id) {
  TRY_ASSIGN(
      const SqlResult found,
      read(std::string(policy_columns) + " WHERE sandbox_id = ? ORDER BY version", {sandbox_id}));
  std::vector<PolicyRow> rows;
  for (const SqlRow& cells : found.rows) {
    TRY_ASSIGN(PolicyRow row, policy_of(cells));
    rows.push_back(std::move(row));
  }
  return rows;
}

Result<PolicyRow> SqlStore::policy(const std::string& sandbox_id, std::uint32_t version) {
  TRY_ASSIGN(const SqlResult found,
             read(std::string(policy_columns) + " WHERE sandbox_id = ? AND version = ?",
                  {sandbox_id, std::int64_t{version}}));
  if (found.rows.empty()) return fail(Code::not_found, "policy revision not found");
  return policy_of(found.rows[0]);
}

Result<std::uint32_t> SqlStore::loaded_version(const std::string& sandbox_id) {
  TRY_ASSIGN(const SqlResult found, read("SELECT version FROM policies WHERE sandbox_id = ?"
                                         " AND status = 'loaded' ORDER BY version DESC LIMIT 1",
                                         {sandbox_id}));
  return found.rows.empty() ? 0 : static_cast<std::uint32_t>(found.rows[0].number(0));
}

Result<> SqlStore::set_policy_status(const std::string& sandbox_id, const PolicyReport& report) {
  return transact(*database_, [&](SqlSession& session) -> Result<> {
    const std::int64_t version = report.version;
    TRY_ASSIGN(const SqlResult set,
               session.run("UPDATE policies SET status = ?, load_error = ?, loaded = ?"
                           " WHERE sandbox_id = ? AND version = ?",
                           {std::string_view(report.load_error.empty() ? "loaded" : "failed"),
                            report.load_error, report.load_error.empty() ? millis(report.time) : 0,
                            sandbox_id, version}));
    if (set.changed == 0) return fail(Code::not_found, "policy revision not found");
    if (!report.load_error.empty()) return {};
    TRY(
        session.run("UPDATE policies SET status = 'superseded' WHERE sandbox_id = ?"
                    " AND version < ? AND status <> 'failed'",
                    {sandbox_id, version}));
    return {};
  });
}

Result<> SqlStore::set_exit(const std::string& sandbox_id, const MainExit& exit) {
  TRY_ASSIGN(const SqlResult set,
             run("UPDATE sandboxes SET exit_instance = ?, exit_code = ?, exited ="
                 " CASE exit_instance WHEN ? THEN exited ELSE ? END WHERE id = ?",
                 {exit.instance_id, std::int64_t{exit.code}, exit.instance_id, millis(exit.time),
                  sandbox_id}));
  if (set.changed == 0) return fail(Code::not_found, "sandbox not found");
  return {};
}

}  // namespace keyward::gateway
