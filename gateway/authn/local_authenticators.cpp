#include "gateway/authn/local_authenticators.hpp"

#include <algorithm>

namespace keyward::gateway {
namespace {

Principal user_principal(User user) {
  Principal principal;
  principal.kind = PrincipalKind::user;
  principal.user = std::move(user);
  return principal;
}

}  // namespace

Verdict CertificateAuthenticator::authenticate(std::string_view bearer, const Presented& presented,
                                               TimePoint) {
  if (!bearer.empty() || presented.certificate == nullptr) return identity::Declined{};
  const CertificateSubject& subject = *presented.certificate;
  const auto has = [&](std::string_view unit) {
    return std::find(subject.units.begin(), subject.units.end(), unit) != subject.units.end();
  };
  const Role role = has(admin_unit) ? Role::admin : has(user_unit) ? Role::user : Role::none;
  if (role == Role::none || has(sandbox_unit) || subject.common_name.empty())
    return identity::Declined{};
  return user_principal(
      {subject.common_name, subject.common_name, "mtls", subject.units, role, std::nullopt});
}

Verdict DevelopmentAuthenticator::authenticate(std::string_view bearer, const Presented&,
                                               TimePoint) {
  if (!bearer.empty()) return identity::Declined{};
  return user_principal({"unauthenticated-local-dev",
                         "",
                         "local_dev",
                         {std::string(user_unit), std::string(admin_unit)},
                         Role::admin,
                         std::nullopt});
}

}  // namespace keyward::gateway
