import HopyardSimulator
import HopyardWire

/// Rules and chains as `-L` prints them.
struct RuleListing {
  let family: RuleFamily
  var variant = RulesetVariant.nft
  var isNumeric = false
  var isVerbose = false
  var isExact = false
  var numbersLines = false
  /// Whether one rule is shown while it is edited: addresses in numbers, protocols by name.
  var isEditing = false

  /// Everything about a chain before its rules.
  func header(_ chain: Chain, counters: RuleCounters, references: Int) -> String {
    var text = "Chain \(chain.name)"
    if let policy = chain.policy {
      text += " (policy \(policy == .accept ? "ACCEPT" : "DROP")"
      if isVerbose {
        text += " \(count(counters.packets, 0)) packets, \(count(counters.bytes, 0)) bytes"
      }
      text += ")\n"
    } else {
      text += " (\(references) references)\n"
    }
    if numbersLines { text += "num  " }
    if isVerbose {
      text += isExact ? "    pkts      bytes " : " pkts bytes "
    }
    text += "target     prot opt"
    if isVerbose { text += " in     out    " }
    return text + " source               destination         \n"
  }

  /// A number padded to a width, shortened with a letter unless numbers are exact.
  private func count(_ number: UInt64, _ width: Int) -> String {
    func padded(_ text: String, _ width: Int) -> String {
      String(repeating: " ", count: max(0, width - text.count)) + text
    }
    if isExact { return padded("\(number)", width) }
    guard number > 99999 else { return padded("\(number)", min(width, 5)) }
    var rest = (number &+ 500) / 1000
    for letter in ["K", "M", "G"] {
      if rest <= 9999 { return padded("\(rest)", min(width, 4)) + letter }
      rest = (rest &+ 500) / 1000
    }
    return padded("\(rest)", min(width, 4)) + "T"
  }

  private func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.utf8.count))
  }

  /// One rule with its line end; `number` counts from 1.
  func line(_ rule: Rule, number: Int, counters: RuleCounters) -> String {
    var text = ""
    if numbersLines { text += padded("\(number)", 4) + " " }
    if isVerbose {
      text += count(counters.packets, 8) + " " + count(counters.bytes, 8) + " "
    }
    text += padded(targetName(rule), 9) + " "
    text += protocolText(rule, padding: 4) + " "
    text += options(rule) + " "
    if isVerbose {
      text += " " + padded(interface(rule.inInterface), 6) + " "
      text += padded(interface(rule.outInterface), 6) + " "
    }
    text += sign(rule.source) + padded(address(rule.source), 19) + " "
    text += sign(rule.destination) + padded(address(rule.destination), 19) + " "
    return text + tail(rule) + "\n"
  }

  /// One rule as `-v` prints it while it is edited.
  func edited(_ rule: Rule) -> String {
    var text = targetName(rule) + " "
    text += protocolText(rule, padding: 0) + " opt " + options(rule) + " "
    text += "in \(interface(rule.inInterface)) out \(interface(rule.outInterface)) "
    text += sign(rule.source) + address(rule.source) + " "
    text += sign(rule.destination) + "-> " + address(rule.destination) + "  "
    return text + tail(rule) + "\n"
  }

  /// NOTRACK is another name of CT, which listings prefer.
  private func targetName(_ rule: Rule) -> String {
    if case .notrack = rule.target { return "CT" }
    return rule.target?.name ?? ""
  }

  private func protocolText(_ rule: Rule, padding: Int) -> String {
    guard let match = rule.protocol else {
      return " " + padded(isNumeric ? "0" : "all", padding)
    }
    let name = isNumeric ? "\(match.value.rawValue)" : ProtocolText.name(match.value)
    return (match.inverted ? "!" : " ") + padded(name, padding)
  }

  private func options(_ rule: Rule) -> String {
    switch rule.fragment {
    case nil: "--"
    case true: "-f"
    case false: "!f"
    }
  }

  private func interface(_ match: InterfaceMatch?) -> String {
    guard let match else { return isNumeric || isEditing ? "*" : "any" }
    return (match.inverted ? "!" : "") + match.pattern
  }

  private func sign(_ match: AddressMatch?) -> String { match?.inverted == true ? "!" : " " }

  private func address(_ match: AddressMatch?) -> String {
    IptablesAddress.listed(match, numeric: isNumeric || isEditing, family)
  }

  private func tail(_ rule: Rule) -> String {
    var text = ""
    if case .goto = rule.target { text += "[goto] " }
    for match in rule.matches {
      text += match.listed(
        numeric: isNumeric || isEditing,
        family: family,
        variant: variant,
        protocol: rule.protocol
      )
    }
    return text + (rule.target?.listed(numeric: isNumeric || isEditing, family: family) ?? "")
  }
}
