#include "gateway/options_commands.hpp"

#include <CLI/CLI.hpp>

#include "gateway/options_certgen.hpp"

namespace keyward::gateway {
namespace {

template <class Command>
struct VerbText {
  typename Command::Verb verb;
  const char* name;
  const char* help;
};

template <class Command>
CLI::App* declare_verb(CLI::App& app, Options& options, Command& command, VerbText<Command> text) {
  CLI::App* sub = app.add_subcommand(text.name, text.help);
  sub->fallthrough();
  sub->callback([&options, &command, verb = text.verb] {
    command.verb = verb;
    options.action = command;
  });
  return sub;
}

void declare_sandbox(CLI::App& app, CommandArguments& all, Options& options) {
  using Verb = SandboxCommand::Verb;
  SandboxCommand& command = all.sandbox;
  CLI::App* sandbox = app.add_subcommand("sandbox", "Sandboxes and their tokens");
  sandbox->fallthrough()->require_subcommand(1);
  CLI::App* create = declare_verb(*sandbox, options, command,
                                  {Verb::create, "create", "Register a sandbox; prints its id"});
  create->add_option("NAME", command.name, "lower-case letters, digits, hyphens")->required();
  create->add_option("--policy", command.policy_file,
                     "policy file (docs/POLICY.md); without one everything is denied");
  add_repeatable(*create, "--provider", command.providers, "provider to attach (repeatable)");
  create->add_option("--token-out", command.token_file, "new file for a first token, 0600");
  declare_verb(*sandbox, options, command, {Verb::list, "list", "List sandboxes"});
  CLI::App* get = declare_verb(*sandbox, options, command, {Verb::get, "get", "Show one"});
  get->add_option("NAME", command.name)->required();
  CLI::App* remove =
      declare_verb(*sandbox, options, command,
                   {Verb::remove, "delete", "Delete one; its tokens are dead at once"});
  remove->add_option("NAME", command.name)->required();
  CLI::App* logs =
      declare_verb(*sandbox, options, command,
                   {Verb::logs, "logs",
                    "Show what its supervisor has logged; the last thousand lines are kept"});
  logs->add_option("NAME", command.name)->required();
  logs->add_flag("--follow", command.follow, "go on until interrupted");
  CLI::App* token =
      declare_verb(*sandbox, options, command,
                   {Verb::token, "token", "Issue a new token; older ones stay valid"});
  token->add_option("NAME", command.name)->required();
  token->add_option("--out", command.token_file, "new file, 0600 (default: standard output)");
}

void declare_policy(CLI::App& app, CommandArguments& all, Options& options) {
  using Verb = PolicyCommand::Verb;
  PolicyCommand& command = all.policy;
  CLI::App* policy = app.add_subcommand("policy", "Sandboxes' policies and their revisions");
  policy->fallthrough()->require_subcommand(1);
  using Text = VerbText<PolicyCommand>;
  CLI::App* set = declare_verb(
      *policy, options, command,
      Text{Verb::set, "set", "Give a running sandbox a new policy; its supervisor takes it up"});
  CLI::App* list =
      declare_verb(*policy, options, command, Text{Verb::list, "list", "List the revisions"});
  CLI::App* get = declare_verb(*policy, options, command,
                               Text{Verb::get, "get", "Print a revision as it was given"});
  for (CLI::App* sub : {set, list, get}) sub->add_option("SANDBOX", command.sandbox)->required();
  set->add_option("FILE", command.file, "policy file (docs/POLICY.md)")->required();
  get->add_option("--revision", command.version, "its number (default: the newest)")
      ->check(CLI::PositiveNumber);
}

// Which secrets stay in the gateway, and for what their signing keys are handed out instead.
void declare_derived_keys(CLI::App& create, ProviderCommand& command) {
  CLI::Option* derived = create.add_flag(
      "--derived-keys", command.derived_keys,
      "AWS's secret stays in the gateway; sandboxes get signing keys of one date, region, service");
  CLI::Option* services = add_repeatable(create, "--services", command.services,
                                         "with --derived-keys: s3,… (repeatable or comma list)");
  CLI::Option* regions =
      add_repeatable(create, "--regions", command.regions,
                     "with --derived-keys: eu-west-1,… (repeatable or comma list)");
  for (CLI::Option* option : {services, regions}) {
    option->delimiter(',')->needs(derived);
    derived->needs(option);
  }
}

void declare_provider(CLI::App& app, CommandArguments& all, Options& options) {
  using Verb = ProviderCommand::Verb;
  ProviderCommand& command = all.provider;
  CLI::App* provider = app.add_subcommand("provider", "Credentials and where they may be used");
  provider->fallthrough()->require_subcommand(1);
  CLI::App* create =
      declare_verb(*provider, options, command,
                   {Verb::create, "create", "Store a provider's credentials, sealed"});
  create->add_option("TYPE", command.type, "aws, generic or an imported profile's id")->required();
  create->add_option("NAME", command.name, "lower-case letters, digits, hyphens")->required();
  create->add_option("--from-file", command.from_file,
                     "KEY=VALUE lines or an AWS credentials file, 0600; - is standard input; "
                     "none where TYPE's profile has token grants");
  create->add_option("--profile", command.profile, "profile of an AWS credentials file")
      ->capture_default_str();
  add_repeatable(*create, "--bind", command.bindings,
                 "HOST[:PORT][/PATH] where the credentials may be used (repeatable; default: the "
                 "endpoints of TYPE's profile)");
  declare_derived_keys(*create, command);
  CLI::App* update = declare_verb(*provider, options, command,
                                  {Verb::update, "update", "Replace credentials of one"});
  update->add_option("NAME", command.name)->required();
  update
      ->add_option("--from-file", command.from_file,
                   "as of create; what it does not name stays as it is")
      ->required();
  update->add_option("--profile", command.profile, "profile of an AWS credentials file")
      ->capture_default_str();
  declare_verb(*provider, options, command, {Verb::list, "list", "List providers; no secrets"});
  CLI::App* remove =
      declare_verb(*provider, options, command, {Verb::remove, "delete", "Delete one"});
  remove->add_option("NAME", command.name)->required();
  using Text = VerbText<ProviderCommand>;
  for (const Text& text : {Text{Verb::attach, "attach", "Give a sandbox a provider"},
                           Text{Verb::detach, "detach", "Take a provider from a sandbox"}}) {
    CLI::App* sub = declare_verb(*provider, options, command, text);
    sub->add_option("SANDBOX", command.sandbox)->required();
    sub->add_option("PROVIDER", command.name)->required();
  }
}

void declare_keys_verb(CLI::App& keys, Options& options, KeysCommand& command,
                       const VerbText<KeysCommand>& text) {
  CLI::App* verb = declare_verb(keys, options, command, text);
  verb->add_option("--tls-dir", command.tls_dir, "directory that certgen wrote")
      ->capture_default_str();
  verb->add_option("--jwt-dir", command.jwt_dir, "where signing.pem lies (default: its jwt)");
}

void declare_keys(CLI::App& app, CommandArguments& all, Options& options) {
  using Verb = KeysCommand::Verb;
  KeysCommand& command = all.keys;
  CLI::App* keys = app.add_subcommand("keys", "The keys that sign sandboxes' tokens");
  keys->fallthrough()->require_subcommand(1);
  using Text = VerbText<KeysCommand>;
  for (const Text& text :
       {Text{Verb::list, "list", "Show the signing key and the retired ones"},
        Text{
            Verb::rotate, "rotate",
            "Sign with a new key from now on; tokens of the old one stay valid until they expire"}})
    declare_keys_verb(*keys, options, command, text);
}

void declare_draft(CLI::App& app, CommandArguments& all, Options& options) {
  using Verb = DraftCommand::Verb;
  DraftCommand& command = all.draft;
  CLI::App* draft = app.add_subcommand("draft", "Rules that sandboxes propose for themselves");
  draft->fallthrough()->require_subcommand(1);
  using Text = VerbText<DraftCommand>;
  CLI::App* list = declare_verb(*draft, options, command, Text{Verb::list, "list", "List them"});
  CLI::App* show = declare_verb(
      *draft, options, command,
      Text{Verb::show, "show", "Print the whole rule, what is unusual about it, its token"});
  CLI::App* approve =
      declare_verb(*draft, options, command,
                   Text{Verb::approve, "approve", "Put one into the policy: a new revision"});
  CLI::App* reject =
      declare_verb(*draft, options, command, Text{Verb::reject, "reject", "Refuse one"});
  for (CLI::App* sub : {list, show, approve, reject})
    sub->add_option("SANDBOX", command.sandbox)->required();
  for (CLI::App* sub : {show, approve, reject}) sub->add_option("ID", command.id)->required();
  approve
      ->add_option("--review", command.review,
                   "the token that show prints: what was looked at is what is approved")
      ->required();
  reject->add_option("--reason", command.reason, "for whoever proposed it");
}

void declare_profile(CLI::App& app, CommandArguments& all, Options& options) {
  using Verb = ProfileCommand::Verb;
  ProfileCommand& command = all.profile;
  CLI::App* profile = app.add_subcommand("profile", "What a provider's type means");
  profile->fallthrough()->require_subcommand(1);
  using Text = VerbText<ProfileCommand>;
  declare_verb(*profile, options, command, Text{Verb::list, "list", "List the profiles"});
  CLI::App* import = declare_verb(*profile, options, command,
                                  Text{Verb::import, "import", "Store or replace one"});
  import->add_option("FILE", command.file, "JSON (docs/GATEWAY.md)")->required();
  CLI::App* remove =
      declare_verb(*profile, options, command, Text{Verb::remove, "delete", "Delete one"});
  remove->add_option("ID", command.id)->required();
}

}  // namespace

void declare_commands(CLI::App& app, CommandArguments& all, Options& options) {
  declare_sandbox(app, all, options);
  declare_policy(app, all, options);
  declare_draft(app, all, options);
  declare_provider(app, all, options);
  declare_profile(app, all, options);
  declare_keys(app, all, options);
}

}  // namespace keyward::gateway
