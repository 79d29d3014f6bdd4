// Included before everything else under the thread sanitizer.
//
// Debian's protobuf is compiled without it, and its headers give maps two members more where the
// macro is defined: our code and the library would not agree on where a map has its fields.  What
// the standard library needs of the macro is read first.
#pragma once
#include <atomic>

#undef __SANITIZE_THREAD__
