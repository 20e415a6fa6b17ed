/// The builtin `set`.
extension ShellBuiltin {
  private static let letters: Set<Character> = ["e", "u", "x", "f"]
  private static let longNames: Set<String> = [
    "errexit", "nounset", "xtrace", "pipefail", "noglob",
  ]

  static func checkSet(_ check: CommandCheck) {
    var index = 0
    let texts = check.texts
    while index < texts.count {
      guard let text = texts[index], text.hasPrefix("-") || text.hasPrefix("+"), text != "--",
        text.count > 1
      else { return }
      for letter in text.dropFirst() {
        if letter == "o" {
          index += 1
          guard index < texts.count else {
            check.report(index - 1, "`set -o' without a name is not modelled")
            return
          }
          if let name = texts[index], !longNames.contains(name) {
            check.report(index, "`set -o \(name)' is not modelled")
          }
        } else if !letters.contains(letter) {
          check.report(index, "`set \(text.prefix(1))\(letter)' is not modelled")
        }
      }
      index += 1
    }
  }

  static func set(_ shell: Shell, _ arguments: [String]) async throws(ShellUnwind) -> Int32 {
    func change(_ name: String, _ isOn: Bool) throws(ShellUnwind) {
      switch name {
      case "e", "errexit": shell.options.exitsOnError = isOn
      case "u", "nounset": shell.options.refusesUnset = isOn
      case "x", "xtrace": shell.options.isTracing = isOn
      case "f", "noglob": shell.options.noGlobbing = isOn
      case "pipefail": shell.options.pipeFails = isOn
      default: throw .process(.refused("`set -o \(name)' is not modelled"))
      }
    }
    var index = 0
    while index < arguments.count {
      let text = arguments[index]
      if text == "--" {
        shell.positional = Array(arguments[(index + 1)...])
        return 0
      }
      guard text.hasPrefix("-") || text.hasPrefix("+"), text.count > 1 else {
        shell.positional = Array(arguments[index...])
        return 0
      }
      for letter in text.dropFirst() {
        if letter == "o" {
          index += 1
          guard index < arguments.count else {
            throw .process(.refused("`set -o' without a name is not modelled"))
          }
          try change(arguments[index], text.hasPrefix("-"))
        } else {
          try change(String(letter), text.hasPrefix("-"))
        }
      }
      index += 1
    }
    return 0
  }
}
