import HopyardSimulator
import HopyardWire

/// brctl(8), the older tool for bridges.
enum BrctlCommand {
  static let command = Command("brctl", check: { check($0) }) {
    process,
    arguments async throws(ProcessExit) in
    let result = try run(process.namespace, arguments)
    try await process.print(result.output)
    try await process.printError(result.error)
    return result.status
  }

  private static let verbs: [(name: String, arguments: String, help: String, count: Int)] = [
    ("addbr", "<bridge>\t\t", "add bridge", 1), ("delbr", "<bridge>\t\t", "delete bridge", 1),
    ("addif", "<bridge> <device>\t", "add interface to bridge", 2),
    ("delif", "<bridge> <device>\t", "delete interface from bridge", 2),
    ("hairpin", "<bridge> <port> {on|off}\t", "turn hairpin on/off", 3),
    ("setageing", "<bridge> <time>\t\t", "set ageing time", 2),
    ("setbridgeprio", "<bridge> <prio>\t\t", "set bridge priority", 2),
    ("setfd", "<bridge> <time>\t\t", "set bridge forward delay", 2),
    ("sethello", "<bridge> <time>\t\t", "set hello time", 2),
    ("setmaxage", "<bridge> <time>\t\t", "set max message age", 2),
    ("setpathcost", "<bridge> <port> <cost>\t", "set path cost", 3),
    ("setportprio", "<bridge> <port> <prio>\t", "set port priority", 3),
    ("show", "[ <bridge> ]\t\t", "show a list of bridges", 0),
    ("showmacs", "<bridge>\t\t", "show a list of mac addrs", 1),
    ("showstp", "<bridge>\t\t", "show bridge stp info", 1),
    ("stp", "<bridge> {on|off}\t", "turn stp on/off", 2),
  ]

  private static var usage: String {
    var text = "Usage: brctl [commands]\ncommands:\n"
    for verb in verbs {
      text += "\t" + LinkPrinter.padded(verb.name, 10) + "\t" + verb.arguments + verb.help + "\n"
    }
    return text
  }

  private struct Result {
    var output = ""
    var error = ""
    var status: Int32 = 0

    static func failure(_ error: String) -> Result { Result(error: error, status: 1) }
  }

  static func check(_ check: CommandCheck) {
    guard let verb = check.texts.first else { return }
    if verb == "showstp" { check.report(0, "brctl showstp is not modelled") }
    if verb == "stp", check.texts.count > 2, let word = check.texts[2],
      ["on", "yes", "1"].contains(word)
    {
      check.report(2, "the spanning tree is not modelled")
    }
  }

  private static func run(
    _ namespace: NetworkNamespace,
    _ arguments: [String]
  ) throws(ProcessExit) -> Result {
    guard let name = arguments.first else { return Result(error: usage, status: 1) }
    if name == "-V" || name == "--version" { return Result(output: "bridge-utils, 1.7\n") }
    if name == "-h" || name == "--help" { return Result(output: usage) }
    guard let verb = verbs.first(where: { $0.name == name }) else {
      return .failure("never heard of command [\(name)]\n" + usage)
    }
    let rest = Array(arguments.dropFirst())
    guard rest.count >= verb.count else {
      return .failure(
        "Incorrect number of arguments for command\nUsage: brctl \(verb.name) "
          + "\(verb.arguments.trimmingTabs)\t\(verb.help)\n"
      )
    }
    switch verb.name {
    case "show": return show(namespace, rest)
    case "addbr":
      do {
        try namespace.makeBridge(NewLink(rest[0]))
        return Result()
      } catch {
        return .failure(
          error.errno == .fileExists
            ? "device \(rest[0]) already exists; can't create bridge with the same name\n"
            : "add bridge failed: \(error.errno.description)\n"
        )
      }
    case "showstp": throw .refused("brctl showstp is not modelled")
    default: break
    }
    guard let bridge = namespace.devices[rest[0]] as? BridgeDevice else {
      return .failure(
        verb.name == "delbr"
          ? "bridge \(rest[0]) doesn't exist; can't delete it\n"
          : "bridge \(rest[0]) does not exist!\n"
      )
    }
    switch verb.name {
    case "delbr":
      if bridge.isUp { return .failure("bridge \(bridge.name) is still up; can't delete it\n") }
      try? namespace.removeLink(bridge)
      return Result()
    case "addif", "delif":
      return changePorts(namespace, bridge, rest, adding: verb.name == "addif")
    case "showmacs": return showAddresses(bridge)
    case "stp":
      if ["on", "yes", "1"].contains(rest[1]) {
        throw .refused("the spanning tree is not modelled")
      }
      guard ["off", "no", "0"].contains(rest[1]) else {
        return .failure("expect on/off for argument\n")
      }
      return Result()
    case "hairpin", "setpathcost", "setportprio":
      return changePort(namespace, bridge, verb.name, rest)
    default: return changeSetting(bridge, verb.name, rest[1])
    }
  }

  // MARK: Listings

  private static func identifier(_ bridge: BridgeDevice) -> String {
    let digits = String(bridge[.priority], radix: 16)
    let address = bridge.hasFixedAddress ? bridge.mac : MACAddress.zero
    return String(repeating: "0", count: max(0, 4 - digits.count)) + digits + "."
      + address.description.filter { $0 != ":" }
  }

  private static func show(_ namespace: NetworkNamespace, _ names: [String]) -> Result {
    var result = Result()
    var bridges: [BridgeDevice] = []
    if names.isEmpty {
      bridges = namespace.devices.all.compactMap { $0 as? BridgeDevice }
    } else {
      for name in names {
        guard let bridge = namespace.devices[name] as? BridgeDevice else {
          return .failure("bridge \(name) does not exist!\n")
        }
        bridges.append(bridge)
      }
    }
    if bridges.isEmpty { return result }
    result.output = "bridge name\tbridge id\t\tSTP enabled\tinterfaces\n"
    for bridge in bridges.sorted(by: { $0.name < $1.name }) {
      result.output += "\(bridge.name)\t\t\(identifier(bridge))\tno\t\t"
      let ports = bridge.ports.map(\.device.name).sorted()
      result.output += ports.joined(separator: "\n\t\t\t\t\t\t\t") + "\n"
    }
    return result
  }

  private static func showAddresses(_ bridge: BridgeDevice) -> Result {
    var result = Result(output: "port no\tmac addr\t\tis local?\tageing timer\n")
    let entries = bridge.forwardingEntries
      .filter { $0.vlan == 0 && $0.port != nil }
      .sorted { $0.mac < $1.mac }
    for entry in entries {
      let isLocal = entry.flags.contains(.local)
      let age =
        isLocal || entry.flags.contains(.static)
        ? 0 : max(0, bridge.simulation.now - entry.updated) / 10_000_000
      let number = String(entry.port?.number ?? 0)
      let whole = String(age / 100)
      let part = age % 100
      result.output +=
        String(repeating: " ", count: max(0, 3 - number.count)) + number + "\t\(entry.mac)\t"
        + "\(isLocal ? "yes" : "no")\t\t"
        + String(repeating: " ", count: max(0, 4 - whole.count)) + whole
        + ".\(part < 10 ? "0" : "")\(part)\n"
    }
    return result
  }

  // MARK: Changes

  private static func changePorts(
    _ namespace: NetworkNamespace,
    _ bridge: BridgeDevice,
    _ words: [String],
    adding: Bool
  ) -> Result {
    for name in words.dropFirst() {
      guard let device = namespace.devices[name] else {
        return .failure("interface \(name) does not exist!\n")
      }
      if adding {
        if device.master != nil {
          return .failure(
            "device \(name) is already a member of a bridge; can't add it to bridge \(bridge.name).\n"
          )
        }
        do {
          try namespace.setLinkMaster(device, bridge)
        } catch {
          return .failure(
            "can't add \(name) to bridge \(bridge.name): \(error.errno.description)\n"
          )
        }
      } else {
        guard device.bridgePort?.bridge === bridge else {
          return .failure("device \(name) is not a port of \(bridge.name)\n")
        }
        try? namespace.setLinkMaster(device, nil)
      }
    }
    return Result()
  }

  private static func changePort(
    _ namespace: NetworkNamespace,
    _ bridge: BridgeDevice,
    _ verb: String,
    _ words: [String]
  ) -> Result {
    guard let device = namespace.devices[words[1]] else {
      return .failure("interface \(words[1]) does not exist!\n")
    }
    guard let port = device.bridgePort, port.bridge === bridge else {
      return .failure("device \(words[1]) is not a port of \(bridge.name)\n")
    }
    do {
      switch verb {
      case "hairpin":
        guard ["on", "off", "yes", "no", "1", "0"].contains(words[2]) else {
          return .failure("expect on/off for argument\n")
        }
        try port.set(.hairpin, to: ["on", "yes", "1"].contains(words[2]) ? 1 : 0)
      case "setpathcost": try port.set(.cost, to: UInt64(words[2]) ?? 0)
      default: try port.set(.priority, to: UInt64(words[2]) ?? 0)
      }
      return Result()
    } catch {
      return .failure("set port \(words[1]) failed: \(error.errno.description)\n")
    }
  }

  private static func changeSetting(
    _ bridge: BridgeDevice,
    _ verb: String,
    _ value: String
  ) -> Result {
    guard let number = Double(value), number >= 0, number < 1e9 else {
      return .failure("bad value \(value)\n")
    }
    let ticks = UInt64(number * 100)
    do {
      switch verb {
      case "setageing": try bridge.set(.ageingTime, to: ticks)
      case "setfd": try bridge.set(.forwardDelay, to: ticks)
      case "sethello": try bridge.set(.helloTime, to: ticks)
      case "setmaxage": try bridge.set(.maximumAge, to: ticks)
      default: try bridge.set(.priority, to: UInt64(number))
      }
      return Result()
    } catch {
      return .failure("set failed: \(error.errno.description)\n")
    }
  }
}

extension String {
  /// The text without the tabs at its end.
  fileprivate var trimmingTabs: String {
    var text = self
    while text.hasSuffix("\t") { text.removeLast() }
    return text
  }
}
