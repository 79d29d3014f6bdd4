#pragma once
// The store over SQL.  Sandboxes and policies, providers, and tokens have a file each.

#include "gateway/store/sealing.hpp"
#include "gateway/store/sql.hpp"
#include "gateway/store/store.hpp"

namespace keyward::gateway {

class SqlStore final : public Store {
 public:
  SqlStore(std::unique_ptr<SqlDatabase> database, Sealer sealer, GivenRule rule)
      : database_(std::move(database)), sealer_(std::move(sealer)), rule_(std::move(rule)) {}
  Result<> migrate();  // before anything else

  Result<> create_sandbox(const NewSandboxRow& sandbox,
                          const std::vector<std::string>& provider_names) override;
  Result<std::vector<SandboxRow>> sandboxes(const SandboxPage& page) override;
  Result<SandboxRow> sandbox_by_id(const std::string& id) override;
  Result<SandboxRow> sandbox_by_name(const std::string& name) override;
  Result<bool> delete_sandbox(const std::string& name) override;
  Result<bool> delete_sandbox_by_id(const std::string& id) override;

  Result<> touch_sandbox(const std::string& id, std::uint64_t expected) override;
  Result<std::map<std::string, std::string>> add_annotations(
      const std::string& id, const std::map<std::string, std::string>& added) override;

  Result<std::uint32_t> add_policy(const std::string& sandbox_id, const PolicyRow& policy,
                                   std::optional<std::uint32_t> after) override;
  Result<std::vector<PolicyRow>> policies(const std::string& sandbox_id) override;
  Result<PolicyRow> policy(const std::string& sandbox_id, std::uint32_t version) override;
  Result<std::uint32_t> loaded_version(const std::string& sandbox_id) override;
  Result<> set_policy_status(const std::string& sandbox_id, const PolicyReport& report) override;

  Result<> set_exit(const std::string& sandbox_id, const MainExit& exit) override;

  Result<> create_provider(const ProviderRow& row,
                           const std::optional<RecordVersion>& profile) override;
  Result<ProviderRow> provider_by_name(const std::string& name) override;
  Result<ProviderOutline> outline_by_name(const std::string& name) override;
  Result<std::vector<ProviderOutline>> outlines() override;
  Result<> update_provider(const ProviderRow& row,
                           const std::optional<RecordVersion>& profile) override;
  Result<bool> delete_provider(const std::string& name) override;
  Result<bool> attach(const std::string& sandbox, const std::string& provider) override;
  Result<bool> detach(const std::string& sandbox, const std::string& provider) override;
  Result<bool> attach_by_id(const AttachmentChange& change) override;
  Result<bool> detach_by_id(const AttachmentChange& change) override;
  Result<std::vector<ProviderRow>> providers_of(const std::string& sandbox_id) override;
  Result<std::vector<ProviderOutline>> outlines_of(const std::string& sandbox_id) override;
  Result<std::vector<std::string>> provider_names_of(const std::string& sandbox_id) override;

  Result<std::uint64_t> put_record(const RecordRow& row,
                                   const std::optional<ProviderCheck>& check) override;
  Result<> put_records(const std::vector<RecordRow>& rows) override;
  Result<RecordRow> record(const RecordKey& key) override;
  Result<std::vector<RecordRow>> records(const std::string& kind,
                                         const std::string& owner) override;
  Result<bool> delete_record(const RecordKey& key,
                             const std::optional<ProviderCheck>& check) override;

  Result<> add_token(const TokenRow& token) override;
  Result<TokenStatus> token_status(const std::string& jti) override;
  Result<> supersede(const std::string& old_jti, const std::string& refresh_id,
                     const TokenRow& next, TimePoint now) override;
  Result<> note_use(const std::string& jti) override;
  Result<> prune(TimePoint now) override;

 private:
  // One statement, in a session of its own.
  Result<SqlResult> run(std::string_view sql, std::initializer_list<SqlParameter> parameters);
  // ... that changes nothing, beside those who write.
  Result<SqlResult> read(std::string_view sql, std::initializer_list<SqlParameter> parameters);
  Result<> check_key(SqlSession& session);
  Result<SandboxRow> find_sandbox(std::string_view where, const std::string& value);
  Result<std::vector<ProviderRow>> providers_from(const SqlResult& found) const;
  Result<std::vector<ProviderOutline>> outlines_from(const SqlResult& found) const;
  Result<> name_variables(SqlSession& session) const;

  // Parts of a transaction.
  Result<> ask(SqlSession& session, const std::optional<ProviderCheck>& check) const;
  Result<bool> attach_in(SqlSession& session, const std::string& sandbox_id,
                         const std::string& provider) const;
  // `others`: the name of a sandbox and another provider of it in each row, by sandbox.
  Result<> check_collisions(const SqlResult& others, const ProviderOutline& changed) const;

  // `which`: of the ids of sandboxes, with one parameter.
  Result<> ask_rule(SqlSession& session, std::string_view which, const std::string& value) const;
  Result<> ask_rule_of_attached(SqlSession& session, const std::string& provider_id) const;
  // Nothing where the record is no profile.
  Result<> ask_rule_of_type(SqlSession& session, const RecordKey& profile) const;

  std::unique_ptr<SqlDatabase> database_;
  Sealer sealer_;
  GivenRule rule_;
};

// Shared by the files.
// SELECT of outlines_from's columns; `rest` begins with FROM, or with further columns.
std::string select_outlines(std::string_view rest);
constexpr int outline_columns = 12;
RecordRow record_of(const SqlRow& cells);
constexpr std::string_view select_records =
    "SELECT kind, owner, name, body, created, version FROM records WHERE ";
std::int64_t millis(TimePoint time);
TimePoint time_of(std::int64_t value);
// The sandbox's resource version is the expected one, and grows.
Result<> touch_in(SqlSession& session, const std::string& sandbox_id, std::uint64_t expected);
// Code::precondition: another version of it is there, or none.
Result<> check_version(SqlSession& session, const std::optional<RecordVersion>& record);

}  // namespace keyward::gateway
