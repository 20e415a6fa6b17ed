import HopyardSimulator
import HopyardWire

/// Prints a device as ip(8) does, for `ip link` and for the head of an entry of `ip address`.
struct LinkPrinter {
  /// The namespace from which the device is looked at.
  let namespace: NetworkNamespace
  let options: IpOptions
  /// `ip link`, not `ip address`.
  let isLink: Bool
  /// Only IPv4 was asked for, so that the link-layer line is left out.
  var hidesLinkLayer = false

  // MARK: Names and flags

  /// How a device's other half, or the one under it, is named.
  enum Link: Equatable {
    /// There is none.
    case none
    /// It is gone.
    case gone
    /// It is in this namespace.
    case here(name: String, isDown: Bool)
    /// It is in another one.
    case elsewhere(index: Int32, namespace: Int, name: String?)
  }

  func link(of device: NetworkDevice) -> Link {
    guard let lower = device.lower else {
      return device is VethDevice || device is IPIPDevice ? .gone : .none
    }
    guard let other = lower.namespace, let own = device.namespace else { return .none }
    if other === own { return .here(name: lower.name, isDown: !lower.isUp) }
    let root = other.machine.root
    return .elsewhere(
      index: lower.ifindex,
      namespace: own.identifier(of: other),
      name: other === root ? nil : other.name
    )
  }

  /// What stands behind the name.
  func suffix(_ link: Link) -> String {
    switch link {
    case .none: ""
    case .gone: "@NONE"
    case .here(let name, _): "@\(name)"
    case .elsewhere(let index, _, _): "@if\(index)"
    }
  }

  func printNameAndLink(
    _ device: NetworkDevice,
    _ link: Link,
    format: (String) -> String,
    _ output: inout IpOutput
  ) {
    switch link {
    case .none: break
    case .gone: output.json("link", .null)
    case .here(let name, _): output.json("link", .string(name))
    case .elsewhere(let index, _, _): output.json("link_index", .number(Int64(index)))
    }
    output.field(
      "ifname",
      device.name,
      text: format(device.name + suffix(link)),
      colour: .interface
    )
  }

  static func flags(of device: NetworkDevice, _ link: Link) -> [String] {
    var flags: [String] = []
    if device.isUp && !device.hasCarrier { flags.append("NO-CARRIER") }
    if device.isLoopback { flags.append("LOOPBACK") }
    if device.isEthernet && !device.isLoopback { flags.append("BROADCAST") }
    if device.isPointToPoint { flags.append("POINTOPOINT") }
    if device.isMulticastCapable && !device.isMulticastOff || device.isMulticastOn {
      flags.append("MULTICAST")
    }
    if device.isNoARP { flags.append("NOARP") }
    if device.isAllMulticast { flags.append("ALLMULTI") }
    if device.isPromiscuousByHand { flags.append("PROMISC") }
    if device.isUp { flags.append("UP") }
    if device.isUp && device.hasCarrier { flags.append("LOWER_UP") }
    if case .here(_, let isDown) = link, isDown { flags.append("M-DOWN") }
    return flags
  }

  static func printFlags(_ flags: [String], _ output: inout IpOutput) {
    output.openArray("flags", text: "<")
    for (index, flag) in flags.enumerated() {
      output.element(.string(flag), text: index == 0 ? flag : ",\(flag)")
    }
    output.closeArray(text: "> ")
  }

  static func groupName(_ group: UInt32) -> String { group == 0 ? "default" : String(group) }

  // MARK: Brief

  func printBrief(_ device: NetworkDevice, _ output: inout IpOutput) {
    let link = link(of: device)
    printNameAndLink(device, link, format: { Self.padded($0, 16) + " " }, &output)
    output.field(
      "operstate",
      device.operationalState,
      text: Self.padded(device.operationalState, 14) + " ",
      colour: .state(device.operationalState)
    )
    guard isLink else { return }
    let address = Self.linkAddress(device)
    output.field("address", address, text: address + " ", colour: .linkAddress)
    Self.printFlags(Self.flags(of: device, link), &output)
  }

  static func padded(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(0, width - text.count))
  }

  static func linkAddress(_ device: NetworkDevice) -> String {
    (device as? IPIPDevice)?.options.local.description ?? device.mac.description
  }

  // MARK: Full

  func print(_ device: NetworkDevice, _ output: inout IpOutput) {
    let link = link(of: device)
    output.field("ifindex", .number(Int64(device.ifindex)), text: "\(device.ifindex): ")
    printNameAndLink(device, link, format: { "\($0): " }, &output)
    Self.printFlags(Self.flags(of: device, link), &output)
    output.field("mtu", .number(Int64(device.mtu)), text: "mtu \(device.mtu) ")
    output.field("qdisc", device.queueingDiscipline, text: "qdisc \(device.queueingDiscipline) ")
    if let master = device.master {
      output.field("master", master.name, text: "master \(master.name) ")
    }
    let state = device.operationalState
    output.field("operstate", state, lead: "state ", text: state + " ", colour: .state(state))
    if isLink { output.field("linkmode", "DEFAULT", text: "mode DEFAULT ") }
    let group = Self.groupName(device.group)
    output.field("group", group, text: "group \(group) ")
    if device.queueLength > 0 {
      output.field(
        "txqlen",
        .number(Int64(device.queueLength)),
        text: "qlen \(device.queueLength)"
      )
    }
    if !hidesLinkLayer || options.details > 0 { printLinkLayer(device, &output) }
    if case .elsewhere(_, let number, let name) = link {
      output.json("link_netnsid", .number(Int64(number)))
      output.text(name.map { " link-netns \($0)" } ?? " link-netnsid \(number)")
    }
    if options.details > 0 { printDetails(device, &output) }
    if isLink || options.details > 0, !device.alias.isEmpty {
      output.text(options.lineEnd)
      output.field("ifalias", device.alias, text: "    alias \(device.alias)")
    }
    if isLink && options.statistics > 0 {
      output.text(options.lineEnd)
      LinkStatisticsPrinter(options: options).print(device, &output)
    }
  }

  private func printLinkLayer(_ device: NetworkDevice, _ output: inout IpOutput) {
    output.text(options.lineEnd)
    let type: String =
      switch device.hardwareType {
      case 1: "ether"
      case 772: "loopback"
      case 768: "ipip"
      case 776: "sit"
      case 778: "gre"
      default: "none"
      }
    output.field("link_type", type, text: "    link/\(type) ")
    guard device.isEthernet || device.isLoopback || device is IPIPDevice else { return }
    let address = Self.linkAddress(device)
    output.field("address", address, text: address, colour: .linkAddress)
    if device.isPointToPoint {
      output.text(" peer ")
      output.json("link_pointtopoint", .bool(true))
    } else {
      output.text(" brd ")
    }
    let broadcast =
      (device as? IPIPDevice)?.options.remote.description ?? device.broadcast.description
    output.field("broadcast", broadcast, text: broadcast, colour: .linkAddress)
  }

  // MARK: Details

  private func printDetails(_ device: NetworkDevice, _ output: inout IpOutput) {
    func number(_ name: String, _ value: Int, _ text: String) {
      output.field(name, .number(Int64(value)), text: text)
    }
    number("promiscuity", device.promiscuity, " promiscuity \(device.promiscuity) ")
    let groups = (device.isAllMulticast ? 1 : 0) + (device.bridgePort == nil ? 0 : 1)
    number("allmulti", groups, " allmulti \(groups) ")
    number("min_mtu", device.minimumMTU, "minmtu \(device.minimumMTU) ")
    let maximum = device.isLoopback || device.maximumMTU > 65535 ? 0 : device.maximumMTU
    number("max_mtu", maximum, "maxmtu \(maximum) ")
    if !device.kind.isEmpty {
      output.openObject("linkinfo")
      output.text(options.lineEnd)
      output.field("info_kind", device.kind, text: "    \(device.kind) ")
      LinkDetailsPrinter(options: options).print(device, &output)
      if let port = device.bridgePort {
        output.text(options.lineEnd)
        output.field("info_slave_kind", "bridge", text: "    bridge_slave ")
        output.openObject("info_slave_data")
        LinkDetailsPrinter(options: options).print(port, &output)
        output.closeObject()
      }
      output.closeObject()
    }
    if isLink { output.field("inet6_addr_gen_mode", "eui64", text: "addrgenmode eui64 ") }
    number("num_tx_queues", device.transmitQueues, "numtxqueues \(device.transmitQueues) ")
    number("num_rx_queues", device.receiveQueues, "numrxqueues \(device.receiveQueues) ")
    number("gso_max_size", 65536, "gso_max_size 65536 ")
    number("gso_max_segs", 65535, "gso_max_segs 65535 ")
    number("tso_max_size", 524280, "tso_max_size 524280 ")
    number("tso_max_segs", 65535, "tso_max_segs 65535 ")
    number("gro_max_size", 65536, "gro_max_size 65536 ")
  }
}

/// Prints the counters of a device, as `ip -s link` does.
struct LinkStatisticsPrinter {
  let options: IpOptions

  func print(_ device: NetworkDevice, _ output: inout IpOutput) {
    let counters = device.statistics
    let received: [UInt64] = [
      counters.receivedBytes, counters.receivedPackets, counters.receiveErrors,
      counters.receiveDropped, 0, counters.receivedMulticast,
    ]
    let sent: [UInt64] = [
      counters.sentBytes, counters.sentPackets, counters.sendErrors, counters.sendDropped,
      counters.carrierErrors, counters.collisions,
    ]
    let isLong = options.statistics > 1
    if output.isJSON {
      output.openObject("stats64")
      output.openObject("rx")
      let names = ["bytes", "packets", "errors", "dropped", "over_errors", "multicast"]
      for (name, value) in zip(names, received) { output.json(name, .unsigned(value)) }
      if isLong {
        for name in [
          "length_errors", "crc_errors", "frame_errors", "fifo_errors", "missed_errors",
        ] { output.json(name, .unsigned(0)) }
      }
      output.closeObject()
      output.openObject("tx")
      let sentNames = ["bytes", "packets", "errors", "dropped", "carrier_errors", "collisions"]
      for (name, value) in zip(sentNames, sent) { output.json(name, .unsigned(value)) }
      if isLong {
        for name in ["aborted_errors", "fifo_errors", "window_errors", "heartbeat_errors"] {
          output.json(name, .unsigned(0))
        }
        output.json("carrier_changes", .unsigned(counters.carrierChanges))
      }
      output.closeObject()
      output.closeObject()
      return
    }
    var widths = [10, 7, 6, 7, 7, 7, 10]
    let errors: [UInt64] = [0, 0, 0, 0, 0, 0]
    let sentErrors: [UInt64] = [0, 0, 0, 0, 0, counters.carrierChanges]
    for row in [received, sent] + (isLong ? [errors, sentErrors] : []) {
      for (index, value) in row.enumerated() {
        widths[index] = max(widths[index], String(value).count)
      }
    }
    let end = options.lineEnd
    func row(_ values: [String], _ first: Int) -> String {
      var text = ""
      for (index, value) in values.enumerated() {
        let width = index == 0 ? widths[0] - first : widths[index]
        text += String(repeating: " ", count: max(0, width - value.count)) + value + " "
      }
      return text
    }
    func numbers(_ values: [UInt64]) -> String { "    " + row(values.map(shown), 0) }
    func head(_ title: String, _ names: [String]) -> String {
      "    \(title)" + row(names, title.count)
        + String(repeating: " ", count: widths[6])
    }
    func errorHead(_ title: String, _ names: [String]) -> String {
      var text = "    " + title + String(repeating: " ", count: max(0, widths[0] - title.count))
      for (index, name) in names.enumerated() {
        text += " " + String(repeating: " ", count: max(0, widths[index + 1] - name.count)) + name
      }
      return text
    }
    func errorNumbers(_ values: [UInt64]) -> String {
      var text = String(repeating: " ", count: 4 + widths[0] + 1)
      for (index, value) in values.dropFirst().enumerated() {
        let digits = shown(value)
        text += String(repeating: " ", count: max(0, widths[index + 1] - digits.count)) + digits
        text += " "
      }
      return text
    }
    var text =
      head("RX:", ["bytes", "packets", "errors", "dropped", "missed", "mcast"]) + end
      + numbers(received)
    if isLong {
      text +=
        end + errorHead("RX errors:", ["length", "crc", "frame", "fifo", "overrun"]) + end
        + errorNumbers(errors)
    }
    text +=
      end + head("TX:", ["bytes", "packets", "errors", "dropped", "carrier", "collsns"]) + end
      + numbers(sent)
    if isLong {
      text +=
        end + errorHead("TX errors:", ["aborted", "fifo", "window", "heartbt", "transns"]) + end
        + errorNumbers(sentErrors)
    }
    output.text(text)
  }

  /// A number as it is, or for humans with three digits and a unit (`-h`).
  private func shown(_ value: UInt64) -> String {
    let base: UInt64 = options.isIEC ? 1024 : 1000
    guard options.isHuman, value >= base else { return String(value) }
    var units = Array("kMGTPE")[...]
    var power = base
    while value / base >= power, units.count > 1 {
      power *= base
      units = units.dropFirst()
    }
    var digits = 2
    var limit: UInt64 = 10
    while digits > 0, value / power >= limit {
      limit *= 10
      digits -= 1
    }
    let scale: UInt64 = digits == 2 ? 100 : digits == 1 ? 10 : 1
    let scaled = UInt64((Double(value) / Double(power) * Double(scale)).rounded())
    var text = String(scaled / scale)
    if digits > 0 {
      let fraction = String(scaled % scale)
      text += "." + String(repeating: "0", count: digits - fraction.count) + fraction
    }
    return text + String(units.first ?? "k") + (options.isIEC ? "i" : "")
  }
}
