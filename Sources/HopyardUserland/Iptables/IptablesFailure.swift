import HopyardSimulator

/// Why an iptables command ends without having done what it was asked.
enum IptablesFailure: Error {
  /// What was asked makes no sense: exit status 2 and a hint where to find help.
  case parameter(String)
  /// An argument that nothing takes: the same, without the program's name.
  case badArgument(String)
  /// Nothing but the hint, exit status 2.
  case hint
  /// The kernel lacks something: exit status 3.
  case version(String)
  /// Something else: exit status 1, the program's name and version before the text.
  case other(String)
  /// The kernel said no: exit status 1, the program's name before the text.
  case kernel(IptablesErrno)
  /// A line that is printed as it is, exit status 1.
  case plain(String)
  /// A transaction of nf_tables failed at some of its parts: exit status 4.
  case batch([String])
  /// The model lacks it: the run ends.
  case refused(String)

  /// The message of the programs for a number that nobody could make sense of.
  static func unmodelled(_ what: String) -> IptablesFailure {
    .refused("\(what) is not modelled")
  }
}

/// Errors of the kernel's interface, with the words that iptables has for them.
enum IptablesErrno: String, Hashable, Sendable {
  case noSuchChain = "No chain/target/match by that name."
  case chainExists = "Chain already exists."
  case badRule = "Bad rule (does a matching rule exist in that chain?)."
  case badPolicy = "Bad policy name. Run `dmesg' for more information."
  case badBuiltin = "Bad built-in chain name."
  case deletionTooBig = "Index of deletion too big."
  case replacementTooBig = "Index of replacement too big."
  case insertionTooBig = "Index of insertion too big."
  case counterTooBig = "Index of counter too big."
  case invalid = "Invalid argument. Run `dmesg' for more information."
  case tooManyLinks = "Too many links."
  case notEmpty = "Directory not empty."
  case loop = "Too many levels of symbolic links."
  case builtinTarget = "Can't delete built-in chain."
  case fileExists = "File exists."
  case outOfRange = "Numerical result out of range."
}
