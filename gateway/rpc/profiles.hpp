#pragma once
// Provider profiles: what a provider's type means (its credentials' names, where they may be used).

#include <optional>

#include "gateway/rpc/call_context.hpp"
#include "providers.pb.h"

namespace keyward::gateway {

// Code::internal: it is unreadable.
Result<openshell::v1::ProviderProfile> read_profile(const RecordRow& row);

// A stored profile, else one that is built in.  Code::not_found with the known ones' names.
Result<openshell::v1::ProviderProfile> find_profile(Store& store, const std::string& id);

// The record that it was read from; none: it is built in.
std::optional<RecordVersion> version_of(const openshell::v1::ProviderProfile& profile);

// HOST:PORT[/PATH] for each of its endpoints.
std::vector<std::string> bindings_of(const openshell::v1::ProviderProfile& profile);

Result<> list_profiles(const CallContext& call,
                       const openshell::v1::ListProviderProfilesRequest& request,
                       openshell::v1::ListProviderProfilesResponse& response);
Result<> get_profile(const CallContext& call,
                     const openshell::v1::GetProviderProfileRequest& request,
                     openshell::v1::ProviderProfileResponse& response);
Result<> import_profiles(const CallContext& call,
                         const openshell::v1::ImportProviderProfilesRequest& request,
                         openshell::v1::ImportProviderProfilesResponse& response);
Result<> update_profile(const CallContext& call,
                        const openshell::v1::UpdateProviderProfilesRequest& request,
                        openshell::v1::UpdateProviderProfilesResponse& response);
Result<> lint_profiles(const CallContext& call,
                       const openshell::v1::LintProviderProfilesRequest& request,
                       openshell::v1::LintProviderProfilesResponse& response);
Result<> delete_profile(const CallContext& call,
                        const openshell::v1::DeleteProviderProfileRequest& request,
                        openshell::v1::DeleteProviderProfileResponse& response);

}  // namespace keyward::gateway
