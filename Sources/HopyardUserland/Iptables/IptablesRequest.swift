import HopyardSimulator
import HopyardWire

/// What one line asks for, after its options have been read.
struct IptablesRequest {
  /// The command.
  enum Command: Character, Hashable {
    case append = "A"
    case check = "C"
    case delete = "D"
    case insert = "I"
    case replace = "R"
    case list = "L"
    case listRules = "S"
    case flush = "F"
    case zero = "Z"
    case newChain = "N"
    case deleteChain = "X"
    case renameChain = "E"
    case policy = "P"

    var editsRules: Bool {
      switch self {
      case .append, .check, .delete, .insert, .replace: true
      default: false
      }
    }
  }

  var command: Command?
  /// Whether `-Z` stands beside `-L` or `-S`.
  var alsoZeroes = false
  var chain: String?
  /// The new name of `-E`, or the policy of `-P`.
  var argument: String?
  /// A rule's number, from 1.
  var number: Int?
  var table = "filter"
  var counters: RuleCounters?
  var isNumeric = false
  var verbosity = 0
  var isExact = false
  var numbersLines = false
  /// The rule without its addresses.
  var rule = Rule()
  var sources: [AddressMatch] = []
  var destinations: [AddressMatch] = []
  /// The chain or target of `-j`, or the chain of `-g`.
  var jump: String?
  var isGoto = false
  /// The target's reader, if the name is one of a target.
  var hasTargetExtension = false
  /// Whether the line asks for the version and nothing else.
  var asksVersion = false
  /// Lines for standard error.
  var warnings = ""
  /// A part of the rule that fails only when it is handed to the kernel.
  var deferredFailure: String?

  /// The rules that the line stands for, one for each pair of addresses.
  var rules: [Rule] {
    var rules: [Rule] = []
    for source in sources.isEmpty ? [nil] : sources.map(Optional.some) {
      for destination in destinations.isEmpty ? [nil] : destinations.map(Optional.some) {
        var rule = rule
        rule.source = source
        rule.destination = destination
        rules.append(rule)
      }
    }
    return rules
  }
}
