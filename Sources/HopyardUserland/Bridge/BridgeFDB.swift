import HopyardSimulator
import HopyardWire

/// `bridge fdb`.
enum BridgeFDB {
  static func run(_ context: IpContext, _ words: [String]) throws(ProcessExit) -> Int32 {
    guard let verb = words.first else { return try show(context, []) }
    let rest = Array(words.dropFirst())
    func isVerb(_ full: String) -> Bool { IpOptions.matches(verb, full) }
    if isVerb("add") { return try modify(context, rest, .add) }
    if isVerb("append") { return try modify(context, rest, .append) }
    if isVerb("replace") { return try modify(context, rest, .replace) }
    if isVerb("delete") { return try modify(context, rest, .delete) }
    if isVerb("get") { return try get(context, rest) }
    if isVerb("show") || isVerb("lst") || isVerb("list") { return try show(context, rest) }
    if isVerb("flush") { return try flush(context, rest) }
    if isVerb("help") {
      context.printError(BridgeUsage.fdb)
      return 255
    }
    context.printError("Command \"\(verb)\" is unknown, try \"bridge fdb help\".\n")
    return 255
  }

  // MARK: Show

  private struct Filter {
    var bridge: NetworkDevice?
    var device: NetworkDevice?
    var vlan: UInt16?
    var state: String?
    var isDynamic = false
  }

  /// One line of the listing.
  private struct Line {
    var mac: MACAddress
    var device: NetworkDevice
    var entry: FDBEntry?
    var bridge: BridgeDevice?

    var state: String {
      guard let entry else { return "permanent" }
      if entry.flags.contains(.local) { return "permanent" }
      return entry.flags.contains(.static) ? "static" : ""
    }
  }

  private static func lines(_ namespace: NetworkNamespace) -> [Line] {
    var lines: [Line] = []
    for device in namespace.devices.all {
      // A VXLAN device lists its own database in place of the addresses to which it listens.
      let listened =
        device is VXLANDevice
        ? [] : device.additionalAddresses + device.multicastAddresses.map(\.mac)
      let own = listened.map { Line(mac: $0, device: device, entry: nil, bridge: nil) }
      if let bridge = device as? BridgeDevice {
        lines += own
        lines += entries(of: bridge) { $0.port == nil }
          .map { Line(mac: $0.mac, device: device, entry: $0, bridge: bridge) }
      } else {
        if let port = device.bridgePort {
          lines += entries(of: port.bridge) { $0.port === port }
            .map { Line(mac: $0.mac, device: device, entry: $0, bridge: port.bridge) }
        }
        lines += own
      }
    }
    return lines
  }

  /// A bridge's entries; those of VLANs only where it looks at VLANs.
  private static func entries(
    of bridge: BridgeDevice,
    where condition: (FDBEntry) -> Bool
  ) -> [FDBEntry] {
    bridge.forwardingEntries.filter {
      ($0.vlan == 0 || bridge.filtersVLANs) && condition($0)
    }
  }

  private static func show(_ context: IpContext, _ words: [String]) throws(ProcessExit) -> Int32 {
    var filter = Filter()
    var arguments = IpArguments(words, context)
    while let word = arguments.next() {
      switch word {
      case "br":
        let name = try arguments.value()
        guard let bridge = context.namespace.devices[name] else {
          context.printError("Cannot find bridge device \"\(name)\"\n")
          return 255
        }
        filter.bridge = bridge
      case "brport", "dev":
        let name = try arguments.value()
        guard let device = context.namespace.devices[name] else {
          return context.noBridgeDevice(name)
        }
        filter.device = device
      case "vlan":
        let text = try arguments.value()
        filter.vlan = UInt16(text) ?? 0
      case "state": filter.state = try arguments.value()
      default: if IpOptions.matches(word, "dynamic") { filter.isDynamic = true }
      }
    }
    var output = context.makeOutput()
    for line in lines(context.namespace) {
      if let bridge = filter.bridge, line.device !== bridge, line.device.master !== bridge {
        continue
      }
      if let device = filter.device, line.device !== device { continue }
      if let vlan = filter.vlan, line.entry?.vlan ?? 0 != vlan { continue }
      if filter.isDynamic && line.state == "permanent" { continue }
      if let state = filter.state, state != "all", line.state != state { continue }
      print(line, context, hidesDevice: filter.device != nil, &output)
    }
    for case let vxlan as VXLANDevice in context.namespace.devices.all {
      if let bridge = filter.bridge, vxlan.master !== bridge { continue }
      if let device = filter.device, vxlan !== device { continue }
      for entry in vxlan.forwardingEntries {
        if filter.isDynamic && entry.isPermanent || filter.vlan != nil { continue }
        let state = entry.isPermanent ? "permanent" : ""
        if let wanted = filter.state, wanted != "all", wanted != state { continue }
        for remote in entry.remotes {
          VXLANEntryText.print(
            entry,
            remote,
            of: vxlan,
            context,
            hidesDevice: filter.device != nil,
            &output
          )
        }
      }
    }
    context.print(output)
    return 0
  }

  private static func print(
    _ line: Line,
    _ context: IpContext,
    hidesDevice: Bool,
    _ output: inout IpOutput
  ) {
    output.openObject()
    output.field("mac", line.mac.description, text: "\(line.mac) ", colour: .linkAddress)
    if !hidesDevice {
      let name = line.device.name
      output.field("ifname", name, lead: "dev ", text: name + " ", colour: .interface)
    }
    if let entry = line.entry {
      if entry.vlan != 0 {
        output.field("vlan", .number(Int64(entry.vlan)), text: "vlan \(entry.vlan) ")
      }
      if context.options.statistics > 0 {
        let now = line.device.simulation.now
        let used = max(0, (now - entry.used) / 1_000_000_000)
        let updated = max(0, (now - entry.updated) / 1_000_000_000)
        output.text("used \(used)/\(updated) ")
        output.json("used", .number(used))
        output.json("updated", .number(updated))
      }
    }
    output.openArray("flags")
    if line.entry == nil { output.element(.string("self"), text: "self ") }
    if line.entry?.flags.contains(.externallyLearned) ?? false {
      output.element(.string("extern_learn"), text: "extern_learn ")
    }
    if line.entry?.flags.contains(.sticky) ?? false {
      output.element(.string("sticky"), text: "sticky ")
    }
    output.closeArray()
    if let bridge = line.bridge {
      output.field("master", bridge.name, text: "master \(bridge.name) ")
    }
    output.field("state", line.state, text: line.state)
    output.text("\n")
    output.closeObject()
  }

  private static func get(_ context: IpContext, _ words: [String]) throws(ProcessExit) -> Int32 {
    var arguments = IpArguments(words, context)
    var address: MACAddress?
    var bridge: BridgeDevice?
    var vlan: UInt16 = 0
    while let word = arguments.next() {
      switch word {
      case "brport", "dev":
        let name = try arguments.value()
        guard let device = context.namespace.devices[name] else {
          return context.noBridgeDevice(name)
        }
        bridge = device.bridgePort?.bridge
      case "br":
        let name = try arguments.value()
        guard let device = context.namespace.devices[name] else {
          return context.noBridgeDevice(name)
        }
        bridge = device as? BridgeDevice
      case "vlan":
        let text = try arguments.value()
        vlan = UInt16(text) ?? 0
      case "self", "master", "dynamic": break
      default:
        let text = word == "to" ? try arguments.value() : word
        guard let mac = MACAddress(text) else {
          context.printError("Invalid mac address \(text)\n")
          return 255
        }
        address = mac
      }
    }
    guard let address, let bridge else {
      context.printError("Device and address are required arguments.\n")
      return 255
    }
    guard let entry = bridge.entry(address, vlan: vlan) else {
      _ = context.answer("", message: "Fdb entry not found")
      return 254
    }
    var output = context.makeOutput()
    print(
      Line(mac: address, device: entry.port?.device ?? bridge, entry: entry, bridge: bridge),
      context,
      hidesDevice: false,
      &output
    )
    context.print(output)
    return 0
  }

  // MARK: Changes

  private enum Change {
    case add
    case append
    case replace
    case delete
  }

  private static func modify(
    _ context: IpContext,
    _ words: [String],
    _ change: Change
  ) throws(ProcessExit) -> Int32 {
    var arguments = IpArguments(words, context)
    var deviceName: String?
    var text: String?
    var isSelf = false
    var isMaster = false
    var vlan: UInt16?
    var flags: FDBFlags = [.local, .static]
    var extra: FDBFlags = []
    var tunnel = VXLANEntryText.Words()
    while let word = arguments.next() {
      switch word {
      case "dev": deviceName = try arguments.value()
      case "self": isSelf = true
      case "master": isMaster = true
      case "vlan":
        let value = try arguments.value()
        guard let number = UInt16(value) else {
          throw arguments.wrong(value, "invalid vlan id\n")
        }
        vlan = number
      case "sticky": extra.insert(.sticky)
      case "extern_learn": extra.insert(.externallyLearned)
      case "router", "use": break
      case "dst", "port", "vni", "via":
        _ = try VXLANEntryText.read(word, &arguments, &tunnel, context)
      case "src_vni", "nhid":
        throw .refused("bridge fdb … \(word) is not modelled")
      default:
        if IpOptions.matches(word, "local") || IpOptions.matches(word, "permanent") {
          flags = [.local, .static]
        } else if IpOptions.matches(word, "static") || word == "temp" {
          flags = .static
        } else if IpOptions.matches(word, "dynamic") {
          flags = []
        } else {
          let value = word == "to" ? try arguments.value() : word
          if text != nil { throw arguments.garbage("to", value) }
          text = value
        }
      }
    }
    guard let deviceName, let text else {
      context.printError("Device and address are required arguments.\n")
      return 255
    }
    guard let mac = MACAddress(text) else {
      context.printError("Invalid mac address \(text)\n")
      return 255
    }
    if !isSelf && !isMaster { isSelf = true }
    let namespace = context.namespace
    guard let device = namespace.devices[deviceName] else {
      return context.noBridgeDevice(deviceName)
    }
    if extra.contains(.externallyLearned) { flags = [] }
    flags.formUnion(extra)
    do {
      if isMaster {
        guard let port = device.bridgePort else { throw LinkError(.notSupported) }
        try apply(mac, vlan, flags, change, on: port.bridge, port)
      }
      if isSelf {
        if let vxlan = device as? VXLANDevice {
          try apply(mac, flags, tunnel, change, on: vxlan)
        } else if let bridge = device as? BridgeDevice {
          try apply(mac, vlan, flags, change, on: bridge, nil)
        } else if change == .delete {
          try namespace.removeListenedAddress(mac, from: device)
        } else {
          try namespace.addListenedAddress(mac, to: device)
        }
      }
      return 0
    } catch let error as LinkError {
      return context.bridgeAnswer(error)
    } catch {
      return 255
    }
  }

  private static func apply(
    _ mac: MACAddress,
    _ flags: FDBFlags,
    _ words: VXLANEntryText.Words,
    _ change: Change,
    on device: VXLANDevice
  ) throws(LinkError) {
    let remote = words.address.map {
      VXLANRemote(
        address: $0,
        port: words.port == device.options.port ? 0 : words.port,
        vni: words.vni == device.options.vni ? nil : words.vni,
        ifindex: words.ifindex
      )
    }
    if change == .delete { return try device.removeEntry(mac, remote) }
    guard let remote else { throw LinkError(.invalidArgument) }
    let isPermanent = flags.contains(.local)
    let how: VXLANDevice.EntryChange =
      switch change {
      case .append: .append
      case .replace: .replace
      case .add, .delete: .add
      }
    try device.changeEntry(
      mac,
      remote,
      how,
      isLearned: flags.isDisjoint(with: [.local, .static]),
      isPermanent: isPermanent
    )
  }

  private static func apply(
    _ mac: MACAddress,
    _ vlan: UInt16?,
    _ flags: FDBFlags,
    _ change: Change,
    on bridge: BridgeDevice,
    _ port: BridgePort?
  ) throws(LinkError) {
    let members = port?.vlans ?? bridge.ownVLANs
    if let vlan, !members.contains(vlan) { throw LinkError(.invalidArgument) }
    // Without a VLAN all VLANs of the port are meant.
    let vlans = vlan.map { [$0] } ?? [0] + members.members.map(\.identifier)
    if change == .delete {
      var found = false
      for vlan in vlans where (try? bridge.removeEntry(mac, vlan: vlan, port: port)) != nil {
        found = true
      }
      if !found { throw LinkError(.noSuchFile) }
      return
    }
    for vlan in vlans {
      try bridge.addEntry(
        mac,
        vlan: vlan,
        port: port,
        flags: flags,
        replacing: change != .add || (vlan != 0 && vlans.count > 1)
      )
    }
  }

  // MARK: Flush

  private static func flush(_ context: IpContext, _ words: [String]) throws(ProcessExit) -> Int32 {
    var arguments = IpArguments(words, context)
    var device: NetworkDevice?
    var portDevice: NetworkDevice?
    var vlan: UInt16?
    var wanted: [(isOn: Bool, flag: String)] = []
    var isSelf = false
    var isMaster = false
    while let word = arguments.next() {
      switch word {
      case "dev", "brport":
        let name = try arguments.value()
        guard let found = context.namespace.devices[name] else {
          context.printError("Cannot find bridge device \"\(name)\"\n")
          return 255
        }
        if word == "dev" { device = found } else { portDevice = found }
      case "vlan":
        let text = try arguments.value()
        vlan = UInt16(text) ?? 0
      case "self": isSelf = true
      case "master": isMaster = true
      default:
        let isOn = !word.hasPrefix("no")
        let name = isOn ? word : String(word.dropFirst(2))
        guard
          [
            "permanent", "static", "dynamic", "added_by_user", "extern_learn", "sticky",
            "offloaded",
          ]
          .contains(name)
        else {
          context.printError("Error: argument \"\(word)\" is wrong: Unknown argument\n")
          return 255
        }
        wanted.append((isOn, name))
      }
    }
    guard let device else {
      context.printError("Device is a required argument.\n")
      return 255
    }
    if let vxlan = device as? VXLANDevice, vxlan.bridgePort == nil || isSelf {
      vxlan.removeEntries { entry in
        if wanted.isEmpty { return !entry.isPermanent }
        return wanted.allSatisfy { flag in
          switch flag.flag {
          case "permanent", "static": entry.isPermanent == flag.isOn
          case "dynamic": entry.isPermanent != flag.isOn
          default: !flag.isOn
          }
        }
      }
      return 0
    }
    // A port flushes only what `master` asks of its bridge; of itself it cannot.
    let bridge = device as? BridgeDevice ?? (isMaster ? device.bridgePort?.bridge : nil)
    guard let bridge else { return context.bridgeAnswer(LinkError(.notSupported)) }
    let port = portDevice?.bridgePort ?? device.bridgePort
    bridge.removeEntries { entry in
      if let port, entry.port !== port { return false }
      if let vlan, entry.vlan != vlan { return false }
      for (isOn, flag) in wanted {
        let has: Bool =
          switch flag {
          case "permanent": entry.flags.contains(.local)
          case "static": entry.flags.contains(.static)
          case "dynamic": !entry.flags.contains(.static)
          case "added_by_user": entry.flags.contains(.addedByUser)
          case "extern_learn": entry.flags.contains(.externallyLearned)
          case "sticky": entry.flags.contains(.sticky)
          default: false
          }
        if has != isOn { return false }
      }
      return true
    }
    return 0
  }
}
