#include "base/key_pair.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace keyward;

namespace {

// openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes; keys of these tests alone.
const std::string one = R"(-----BEGIN CERTIFICATE-----
MIIBczCCARmgAwIBAgIUW7dz9kFgOv17wTWk1n0yJU6IesQwCgYIKoZIzj0EAwIw
DjEMMAoGA1UEAwwDb25lMCAXDTI2MTEyNTIyNDM0MFoYDzIxMjYxMTAxMjI0MzQw
WjAOMQwwCgYDVQQDDANvbmUwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAROi6Oa
dREvQbfmzqsTK6yC/LoDWvcVENhj+FnZRZU9+AOcoF87KVKGsQltfGbB9h9ywauF
4lAt7fYIZez3QLzoo1MwUTAdBgNVHQ4EFgQUhAgqLT2Ea1n9ZftRwpgVeO1bWAcw
HwYDVR0jBBgwFoAUhAgqLT2Ea1n9ZftRwpgVeO1bWAcwDwYDVR0TAQH/BAUwAwEB
/zAKBggqhkjOPQQDAgNIADBFAiEAmCGGANiBRAc7tIZUQaUEpezFxLsEsk9vo7p3
o40Abt8CID9+spkZ1tG3i95j2tiJqz3kJv9DsTrx/F3YisNtpVYz
-----END CERTIFICATE-----
)";
const std::string two = R"(-----BEGIN CERTIFICATE-----
MIIBczCCARmgAwIBAgIUA5RqmtWre+mn2wG7KMjI+CBlIIswCgYIKoZIzj0EAwIw
DjEMMAoGA1UEAwwDdHdvMCAXDTI2MTEyNTIyNDM0MFoYDzIxMjYxMTAxMjI0MzQw
WjAOMQwwCgYDVQQDDAN0d28wWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARmfqbm
Uou0JRtg/KZM6WZEjQUTCoSu95BxZo3vCWMyGK7p+6KwDYvM8QoiQkW+GakNHkTt
7w3/z6IgOIyjihIgo1MwUTAdBgNVHQ4EFgQUX+eXXX2rTy6qY1RqISOKXNArmKcw
HwYDVR0jBBgwFoAUX+eXXX2rTy6qY1RqISOKXNArmKcwDwYDVR0TAQH/BAUwAwEB
/zAKBggqhkjOPQQDAgNIADBFAiEA8DrejIxdqhvd7oK9dz8TPKrczWCFGN14z0fW
K+dny5QCIBSrTcg1zxBPm9Rp2GHrlNSzijeE0gyokPNF7brrxPNE
-----END CERTIFICATE-----
)";
const std::string key_one = R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgPPAvPbqaM6WscN2f
vPp1+2hjb07duDlxAjMAinQ7t5ChRANCAAROi6OadREvQbfmzqsTK6yC/LoDWvcV
ENhj+FnZRZU9+AOcoF87KVKGsQltfGbB9h9ywauF4lAt7fYIZez3QLzo
-----END PRIVATE KEY-----
)";
const std::string key_two = R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQghxxY59LO1pti1i0d
/ESuqBto3H7nGluOAVdsz9dKuFihRANCAARmfqbmUou0JRtg/KZM6WZEjQUTCoSu
95BxZo3vCWMyGK7p+6KwDYvM8QoiQkW+GakNHkTt7w3/z6IgOIyjihIg
-----END PRIVATE KEY-----
)";
const std::string locked_key_one = R"(-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAivGLZbdSIgyAICA+gw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEAGqkcwsb4ZFziJIeR8Q5l0EgZBk
exc8pbVji+Mc1/tpNPEXitKQBZ2hX7zDua5J1dZmEgb+cMDh78cecTZ/F/chri5B
R5Lg+70iFV9O/RoMXTsH2XJEMFNu3CE7T4vFgeo1doQ18yDfVHR4rbzkBA9r0w9X
EjjKrPEPz/Xx4OmgeLAAAIY0RmTbhlmzKQUUji42/7pI2En8xwftYz/gI3zWEQA=
-----END ENCRYPTED PRIVATE KEY-----
)";
}  // namespace

TEST_CASE("key pair: certificates that can be used") {
  for (const std::string& pem :
       {one, one + two, "a comment\n" + one, one + "\n\n", key_one + one}) {
    CAPTURE(pem);
    CHECK(check_certificates(pem).has_value());
  }
}

TEST_CASE("key pair: certificates that are cut, broken or missing") {
  std::string broken = one;
  broken[60] = broken[60] == 'A' ? 'B' : 'A';
  broken[61] = '!';
  for (const std::string& pem :
       {std::string(), std::string("x"), one.substr(0, one.size() / 2), one.substr(0, 30),
        one + two.substr(0, two.size() / 2), broken, key_one, std::string(100, '\0')}) {
    CAPTURE(pem);
    const auto checked = check_certificates(pem);
    REQUIRE_FALSE(checked.has_value());
    CHECK(checked.error().code == Code::invalid);
  }
}

TEST_CASE("key pair: belongs together or not") {
  CHECK(check_key_pair(one, key_one).has_value());
  CHECK(check_key_pair(two, key_two).has_value());
  CHECK(check_key_pair(one + two, key_one).has_value());  // a chain: the first is the own one
  struct Case {
    const char* name;
    std::string certificates, key;
  };
  for (const Case& c :
       std::initializer_list<Case>{{"another key", one, key_two},
                                   {"the chain is upside down", two + one, key_one},
                                   {"no key", one, ""},
                                   {"a cut key", one, key_one.substr(0, key_one.size() / 2)},
                                   {"a certificate for a key", one, one},
                                   {"no certificate", "", key_one},
                                   {"a cut certificate", one.substr(0, one.size() / 2), key_one},
                                   {"a key with a passphrase", one, locked_key_one}}) {
    CAPTURE(c.name);
    const auto checked = check_key_pair(c.certificates, c.key);
    REQUIRE_FALSE(checked.has_value());
    CHECK(checked.error().code == Code::invalid);
    CHECK(checked.error().what.find("MIG") == std::string::npos);
  }
}
