#pragma once
// What is wrong with a provider profile.  Pure.

#include <google/protobuf/repeated_field.h>

#include "providers.pb.h"

namespace keyward::gateway {

using Diagnostics = google::protobuf::RepeatedPtrField<openshell::v1::ProviderProfileDiagnostic>;

// One entry, severity "error", for each thing that keeps the profile from being served.  Names what
// this version does not serve instead of ignoring it.
void lint(const openshell::v1::ProviderProfileImportItem& item, Diagnostics& found);

}  // namespace keyward::gateway
