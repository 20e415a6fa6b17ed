import HopyardSimulator

@testable import HopyardUserland

/// A namespace with nothing but rules in it, on which the iptables programs are run.
final class RuleBench {
  private let pool = ChainPool()
  private var rulesets: [String: Ruleset] = [:]
  /// The accounting objects that there are.
  var accounts: Set<String> = []
  /// The ipsets that there are.
  var sets: Set<String> = []
  /// The release that the programs play.
  let release: IptablesRelease
  private let programs: [String: IptablesProgram]

  init(release: IptablesRelease = .version1811, plain: RulesetVariant = .nft) {
    self.release = release
    programs = Dictionary(
      uniqueKeysWithValues: IptablesProgram.all(plain: plain).map { program in
        var program = program
        program.release = release
        return (program.name, program)
      }
    )
  }

  func ruleset(_ family: RuleFamily, _ variant: RulesetVariant) -> Ruleset {
    let key = "\(family) \(variant)"
    if let known = rulesets[key] { return known }
    let new = Ruleset(family: family, variant: variant, pool: pool)
    rulesets[key] = new
    return new
  }

  func reset() { rulesets = [:] }

  func run(_ words: [String], input: String = "") -> IptablesResult {
    guard let name = words.first, let program = programs[name] else {
      return IptablesResult(output: "", errors: "no program\n", status: 127)
    }
    let environment = IptablesEnvironment(
      ruleset: { [self] in ruleset(program.family, $0) },
      hasSet: { [self] in sets.contains($0) },
      hasAccount: { [self] in accounts.contains($0) }
    )
    // What is not evaluated is parsed and printed; the evaluation's own tests say what is.
    environment.keepsUnmodelled = true
    return IptablesCommand.run(
      program,
      arguments: Array(words.dropFirst()),
      input: { input },
      environment: environment
    )
  }

  /// The words of a command: what is between quotes stays together.
  static func words(_ text: String) -> [String] {
    var words: [String] = []
    var word: String?
    var quote: Character?
    var isEscaped = false
    for character in text {
      if isEscaped {
        word = (word ?? "") + String(character)
        isEscaped = false
      } else if let open = quote {
        if character == open {
          quote = nil
        } else if character == "\\", open == "\"" {
          isEscaped = true
        } else {
          word = (word ?? "") + String(character)
        }
      } else if character == "\"" || character == "'" {
        quote = character
        word = word ?? ""
      } else if character == "\\" {
        isEscaped = true
      } else if character == " " {
        if let word { words.append(word) }
        word = nil
      } else {
        word = (word ?? "") + String(character)
      }
    }
    if let word { words.append(word) }
    return words
  }
}
