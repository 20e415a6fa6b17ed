import HopyardSimulator
import HopyardWire

/// Texts of `ip rule`.
enum IpRuleText {
  static let usage = """
    Usage: ip rule { add | del } SELECTOR ACTION
           ip rule { flush | save | restore }
           ip rule [ list [ SELECTOR ]]
    SELECTOR := [ not ] [ from PREFIX ] [ to PREFIX ] [ tos TOS ]
                [ fwmark FWMARK[/MASK] ]
                [ iif STRING ] [ oif STRING ] [ pref NUMBER ] [ l3mdev ]
                [ uidrange NUMBER-NUMBER ]
                [ ipproto PROTOCOL ]
                [ sport [ NUMBER | NUMBER-NUMBER ]
                [ dport [ NUMBER | NUMBER-NUMBER ] ]
    ACTION := [ table TABLE_ID ]
              [ protocol PROTO ]
              [ nat ADDRESS ]
              [ realms [SRCREALM/]DSTREALM ]
              [ goto NUMBER ]
              SUPPRESSOR
    SUPPRESSOR := [ suppress_prefixlength NUMBER ]
                  [ suppress_ifgroup DEVGROUP ]
    TABLE_ID := [ local | main | default | NUMBER ]

    """

  /// Prints one rule.
  static func print(
    _ rule: PolicyRule<UInt32>,
    _ context: IpContext,
    _ output: inout IpOutput
  ) {
    let isNumeric = context.options.isNumeric
    output.openObject()
    output.field("priority", .unsigned(UInt64(rule.priority)), text: "\(rule.priority):\t")
    if rule.inverted { output.field("not", .null, text: "not ") }
    printPrefix("src", "from", rule.source, rule.sourceLength, always: true, &output)
    printPrefix("dst", "to", rule.destination, rule.destinationLength, always: false, &output)
    if rule.tos != 0 {
      let text = IprouteNames.field(rule.tos, isNumeric: isNumeric)
      output.field("tos", text, text: "tos \(text) ")
    }
    if rule.mark != 0 || rule.markMask != 0 { printMark(rule, &output) }
    printDevices(rule, context, &output)
    if let users = rule.users {
      output.json("uid_start", .unsigned(UInt64(users.lowerBound)))
      output.json("uid_end", .unsigned(UInt64(users.upperBound)))
      output.text("uidrange \(users.lowerBound)-\(users.upperBound) ")
    }
    if rule.ipProtocol != 0 {
      let text = IprouteNames.ipProtocol(rule.ipProtocol, isNumeric: isNumeric)
      output.field("ipproto", text, text: "ipproto \(text) ")
    }
    printPorts("sport", rule.sourcePorts, &output)
    printPorts("dport", rule.destinationPorts, &output)
    printAction(rule, context, &output)
    if rule.protocol != .unspecified && rule.protocol != .kernel || context.options.details > 0 {
      let text = IprouteNames.text(rule.protocol, isNumeric: isNumeric)
      output.field("protocol", text, text: " proto \(text)")
    }
    output.text("\n")
    output.closeObject()
  }

  private static func printPrefix(
    _ name: String,
    _ word: String,
    _ address: UInt32,
    _ length: Int,
    always: Bool,
    _ output: inout IpOutput
  ) {
    let text = "\(IPv4Address(rawValue: address))"
    if length == 32 {
      output.field(name, text, lead: word + " ", text: text, colour: .address)
      output.text(" ")
    } else if length > 0 {
      output.json(name, .string(text))
      output.json(name + "len", .number(Int64(length)))
      output.text("\(word) \(output.painted(text, .address))/\(length) ")
    } else if always {
      output.field(name, "all", text: "\(word) all ")
    }
  }

  private static func printMark(_ rule: PolicyRule<UInt32>, _ output: inout IpOutput) {
    // A mark of 0 is printed as plain 0, as C's `%#x` does.
    let mark = rule.mark == 0 ? "0" : "0x" + String(rule.mark, radix: 16)
    if rule.markMask == .max {
      output.field("fwmark", mark, text: "fwmark \(mark) ")
      return
    }
    let mask = rule.markMask == 0 ? "0" : "0x" + String(rule.markMask, radix: 16)
    output.json("fwmark", .string(mark))
    output.json("fwmask", .string(mask))
    output.text("fwmark \(mark)/\(mask) ")
  }

  private static func printDevices(
    _ rule: PolicyRule<UInt32>,
    _ context: IpContext,
    _ output: inout IpOutput
  ) {
    for (word, name) in [("iif", rule.inputDevice), ("oif", rule.outputDevice)] {
      guard let name else { continue }
      output.field(word, name, lead: word + " ", text: name, colour: .interface)
      output.text(" ")
      if context.namespace.routes.isDetached(name) {
        output.field(word + "_detached", .null, text: "[detached] ")
      }
    }
  }

  private static func printPorts(
    _ name: String,
    _ ports: ClosedRange<UInt16>?,
    _ output: inout IpOutput
  ) {
    guard let ports else { return }
    if ports.count == 1 {
      output.field(name, .number(Int64(ports.lowerBound)), text: "\(name) \(ports.lowerBound) ")
      return
    }
    output.json(name + "_start", .number(Int64(ports.lowerBound)))
    output.json(name + "_end", .number(Int64(ports.upperBound)))
    output.text("\(name) \(ports.lowerBound)-\(ports.upperBound) ")
  }

  private static func printAction(
    _ rule: PolicyRule<UInt32>,
    _ context: IpContext,
    _ output: inout IpOutput
  ) {
    if rule.action == .table {
      let text = IprouteNames.table(rule.table, isNumeric: context.options.isNumeric)
      output.field("table", text, text: "lookup \(text)")
    }
    if rule.suppressPrefixLength != -1 {
      output.field(
        "suppress_prefixlen",
        .number(Int64(rule.suppressPrefixLength)),
        text: " suppress_prefixlength \(rule.suppressPrefixLength)"
      )
    }
    if rule.suppressGroup != -1 {
      let text = rule.suppressGroup == 0 ? "default" : String(rule.suppressGroup)
      output.field("suppress_ifgroup", text, text: " suppress_ifgroup \(text)")
    }
    if rule.realms != 0 {
      let from = rule.realms >> 16
      let to = IprouteNames.realm(rule.realms & 0xffff)
      if from != 0 { output.json("flow_from", .string(IprouteNames.realm(from))) }
      output.json("flow_to", .string(to))
      output.text(" realms " + (from != 0 ? IprouteNames.realm(from) + "/" : "") + to)
    }
    switch rule.action {
    case .table: break
    case .goto:
      output.field("goto", .unsigned(UInt64(rule.target)), text: "goto \(rule.target)")
      if context.namespace.routes.isUnresolved(rule) {
        output.field("unresolved", .null, text: " [unresolved]")
      }
    case .nop: output.field("nop", .null, text: "nop")
    case .blackhole: output.field("action", "blackhole", text: "blackhole")
    case .unreachable: output.field("action", "unreachable", text: "unreachable")
    case .prohibit: output.field("action", "prohibit", text: "prohibit")
    }
  }
}
