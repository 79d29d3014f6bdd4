#include "gateway/store/sql.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/jitter.hpp"

namespace keyward::gateway {

Result<> check_parameters(std::initializer_list<SqlParameter> parameters) {
  for (const SqlParameter& parameter : parameters)
    if (const auto* text = std::get_if<std::string_view>(&parameter);
        text != nullptr && text->find('\0') != std::string_view::npos)
      return fail(Code::invalid, "a name or text has a NUL byte");
  return {};
}

std::string SqlRow::text(std::size_t column) const {
  const auto* text = std::get_if<std::string>(&cells.at(column));
  return text == nullptr ? std::string() : *text;
}

std::int64_t SqlRow::number(std::size_t column) const {
  const auto* number = std::get_if<std::int64_t>(&cells.at(column));
  return number == nullptr ? 0 : *number;
}

bool names_postgres(std::string_view database) {
  return database.starts_with("postgresql://") || database.starts_with("postgres://");
}

void wait_for_others(int attempt) {
  const double most = 0.001 * (1 << std::min(attempt, 7));  // seconds
  std::this_thread::sleep_for(std::chrono::duration<double>(most * random_fraction()));
}

Result<> Transaction::commit() {
  SqlSession* session = std::exchange(session_, nullptr);
  Result<SqlResult> done = session->run("COMMIT");
  if (done) return {};
  (void)session->run("ROLLBACK");  // SQLite: a commit that met a lock leaves the transaction open
  return tl::unexpected(std::move(done).error());
}

Transaction::~Transaction() {
  if (session_ != nullptr) (void)session_->run("ROLLBACK");
}

}  // namespace keyward::gateway
