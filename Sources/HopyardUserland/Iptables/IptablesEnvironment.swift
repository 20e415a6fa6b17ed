import HopyardSimulator

/// What an iptables command works on, and what it has written so far.
final class IptablesEnvironment {
  /// The namespace's ruleset of a variant.
  let ruleset: (RulesetVariant) -> Ruleset
  /// Reads the name of a host.
  let resolve: (String) -> [UInt128]
  /// Tells whether there is an ipset of a name; nil if sets are not modelled.
  let hasSet: (String) -> Bool?
  /// Tells whether there is an accounting object of a name.
  let hasAccount: (String) -> Bool
  /// Reads a file; nil if there is none.
  let readFile: (String) -> String?
  /// Writes a file and tells whether it could.
  let writeFile: (String, String) -> Bool
  /// The date and time in the comments of dumps.
  let date: String

  /// What goes to standard output.
  private(set) var output = ""
  /// What goes to standard error.
  private(set) var errors = ""

  init(
    ruleset: @escaping (RulesetVariant) -> Ruleset,
    resolve: @escaping (String) -> [UInt128] = { _ in [] },
    hasSet: @escaping (String) -> Bool? = { _ in nil },
    hasAccount: @escaping (String) -> Bool = { _ in false },
    readFile: @escaping (String) -> String? = { _ in nil },
    writeFile: @escaping (String, String) -> Bool = { _, _ in false },
    date: String = "Thu Jan  1 00:00:00 1970"
  ) {
    self.ruleset = ruleset
    self.resolve = resolve
    self.hasSet = hasSet
    self.hasAccount = hasAccount
    self.readFile = readFile
    self.writeFile = writeFile
    self.date = date
  }

  /// Whether rules that the evaluation does not carry out are taken all the same, to be printed.
  var keepsUnmodelled = false
  /// Whether nothing is written for now.
  var isMuted = false
  /// What the model lacks, if that ended a dump.
  var refusal: String?

  func print(_ text: String) { if !isMuted { output += text } }

  func warn(_ text: String) { if !isMuted { errors += text } }
}

/// What an iptables command gives back.
struct IptablesResult {
  var output: String
  var errors: String
  var status: Int32
  /// What the model lacks, if that ended the command.
  var refusal: String?
}
