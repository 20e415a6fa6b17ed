import HopyardSimulator
import HopyardWire

/// What `ifconfig NAME WORD…` changes, call by call as the kernel's `devinet_ioctl` has it.
///
/// The name may be a label such as `eth0:1`: then addresses, masks and `down` mean the address
/// that has this label, everything else the device before the colon.
struct IfconfigSettings {
  let process: Process
  let name: String
  private var status: Int32 = 0

  init(process: Process, name: String) {
    self.process = process
    self.name = name
  }

  /// The device of a label.
  static func deviceName(_ label: String) -> String {
    String(label.prefix { $0 != ":" })
  }

  private var namespace: NetworkNamespace { process.namespace }

  private var device: NetworkDevice? { namespace.devices[Self.deviceName(name)] }

  /// The place of the address that the name means.
  private func place(_ label: String) -> Int? {
    device?.inet.addresses.firstIndex { $0.label == label }
  }

  /// Applies the words, and gives the exit status.
  mutating func apply(_ given: [String]) async throws(ProcessExit) -> Int32 {
    var words = given[...]
    while let word = words.popFirst() {
      if let ended = try await apply(word, &words) { return ended }
    }
    return status
  }

  /// Applies one word; a status ends the command.
  private mutating func apply(
    _ word: String,
    _ words: inout ArraySlice<String>
  ) async throws(ProcessExit) -> Int32? {
    switch word {
    case "up", "down": return try await setUp(word == "up")
    case "promisc", "-promisc", "allmulti", "-allmulti", "multicast", "-multicast", "arp",
      "-arp":
      return try await setFlag(word)
    case "txqueuelen":
      guard let text = words.popFirst() else { return try await usage() }
      guard let device else { return try await fail("SIOCSIFTXQLEN", .noSuchDevice) }
      namespace.setLinkQueueLength(device, Int(text) ?? 0)
    case "mtu":
      guard let text = words.popFirst() else { return try await usage() }
      guard let device else { return try await fail("SIOCSIFMTU", .noSuchDevice) }
      do throws(LinkError) { try namespace.setLinkMTU(device, Int(text) ?? 0) } catch {
        _ = try await fail("SIOCSIFMTU", error.errno)
      }
    case "hw": return try await setHardwareAddress(&words)
    case "netmask":
      guard let text = words.popFirst() else { return try await usage() }
      guard let mask = IPv4Address(text) else { return try await unknownHost(text) }
      _ = try await setMask(mask.rawValue, name)
    case "broadcast":
      guard let text = words.popFirst() else { return try await usage() }
      guard let value = IPv4Address(text) else { return try await unknownHost(text) }
      _ = try await change(name, "SIOCSIFBRDADDR") { $0.broadcast = value.rawValue }
    case "pointopoint", "dstaddr":
      guard let text = words.popFirst() else { return try await usage() }
      guard let value = IPv4Address(text) else { return try await unknownHost(text) }
      _ = try await change(name, "SIOCSIFDSTADDR") { $0.peer = value.rawValue }
    case "add", "del":
      guard let text = words.popFirst() else { return try await usage() }
      guard let value = IPv4Address(text) else { return try await unknownHost(text) }
      try await changeAlias(value.rawValue, adding: word == "add")
    default: return try await setAddress(word, &words)
    }
    return nil
  }

  // MARK: Messages

  /// Says what a call answered, and makes the status 1.
  private mutating func fail(_ call: String, _ error: LinkErrno) async throws(ProcessExit)
    -> Int32?
  {
    try await process.printError("\(call): \(error.description)\n")
    status = 1
    return nil
  }

  private func unknownHost(_ text: String) async throws(ProcessExit) -> Int32 {
    try await process.printError("\(text): Unknown host\n")
    return 1
  }

  private func usage() async throws(ProcessExit) -> Int32 {
    try await process.printError(IfconfigUsage.text)
    return 3
  }

  private func noFlags() async throws(ProcessExit) -> Int32 {
    try await process.printError(
      "\(name): ERROR while getting interface flags: No such device\n"
    )
    return 255
  }

  // MARK: Flags

  private mutating func setUp(_ isUp: Bool) async throws(ProcessExit) -> Int32? {
    guard let device else { return try await noFlags() }
    if name.contains(":") {
      guard let place = place(name) else {
        try await process.printError("SIOCSIFFLAGS: Cannot assign requested address\n")
        return 255
      }
      if !isUp { namespace.removeAddress(at: place, from: device) }
      return nil
    }
    guard isUp else {
      namespace.setLinkDown(device)
      return nil
    }
    do throws(LinkError) { try namespace.setLinkUp(device) } catch {
      try await process.printError("SIOCSIFFLAGS: \(error.errno.description)\n")
      return 255
    }
    return nil
  }

  private func setFlag(_ word: String) async throws(ProcessExit) -> Int32? {
    guard let device else { return try await noFlags() }
    let isOn = !word.hasPrefix("-")
    switch word.drop(while: { $0 == "-" }) {
    case "promisc": namespace.setLinkPromiscuous(device, isOn)
    case "allmulti": namespace.setLinkAllMulticast(device, isOn)
    case "multicast": namespace.setLinkMulticast(device, isOn)
    default: namespace.setLinkARP(device, isOn)
    }
    return nil
  }

  private mutating func setHardwareAddress(
    _ words: inout ArraySlice<String>
  ) async throws(ProcessExit) -> Int32? {
    guard let kind = words.popFirst(), kind == "ether", let text = words.popFirst() else {
      return try await usage()
    }
    guard let mac = MACAddress(text) else {
      try await process.printError("\(text): invalid ether address.\n")
      return 1
    }
    guard let device else { return try await fail("SIOCSIFHWADDR", .noSuchDevice) }
    do throws(LinkError) { try namespace.setLinkMAC(device, mac) } catch {
      return try await fail("SIOCSIFHWADDR", error.errno)
    }
    return nil
  }

  // MARK: Addresses

  /// `SIOCSIFADDR`, with the mask behind a slash, and up.
  private mutating func setAddress(
    _ word: String,
    _ words: inout ArraySlice<String>
  ) async throws(ProcessExit) -> Int32? {
    let parts = word.split(separator: "/", maxSplits: 1).map(String.init)
    guard let text = parts.first, let address = process.resolve(text) else {
      let isNumeric = word.allSatisfy { $0.isNumber || $0 == "." }
      try await process.printError(
        "\(word): \(isNumeric ? "Unknown host" : "Host name lookup failure")\n"
          + "ifconfig: `--help' gives usage information.\n"
      )
      return 1
    }
    guard device != nil else {
      try await process.printError("SIOCSIFADDR: No such device\n")
      return try await noFlags()
    }
    try await assign(address.rawValue, to: name)
    if parts.count > 1, let length = Int(parts[1]), (0...32).contains(length) {
      let mask: UInt32 = length == 0 ? 0 : ~0 << UInt32(32 - length)
      if address != .any { _ = try await setMask(mask, name) }
    }
    if address != .any, let device {
      do throws(LinkError) { try namespace.setLinkUp(device) } catch {
        _ = try await fail("SIOCSIFFLAGS", error.errno)
      }
    }
    return nil
  }

  /// Gives a label its address, in place of the one it had.
  private mutating func assign(_ local: UInt32, to label: String) async throws(ProcessExit) {
    guard let device else { return }
    if let place = place(label) {
      if device.inet.addresses[place].local == local { return }
      namespace.removeAddress(at: place, from: device)
    }
    guard local != 0 else { return }
    // The mask of the address's class (RFC 791).
    let length =
      device.isPointToPoint
      ? 32 : local >> 31 == 0 ? 8 : local >> 30 == 2 ? 16 : local >> 29 == 6 ? 24 : 32
    var address = InterfaceAddress<UInt32>(local: local, prefixLength: length)
    if length < 31, !device.isLoopback, !device.isPointToPoint {
      address.broadcast = local | ~(~UInt32(0) << UInt32(32 - length))
    }
    if local >> 24 == 127 { address.scope = .host }
    address.label = label
    try await insert(address, "SIOCSIFADDR")
  }

  private mutating func insert(
    _ address: InterfaceAddress<UInt32>,
    _ call: String
  ) async throws(ProcessExit) {
    guard let device else { return }
    do throws(RouteError) {
      try namespace.addLinkAddress(address, to: device, replacing: false)
    } catch {
      _ = try await fail(call, LinkErrno(rawValue: error.errno.rawValue) ?? .invalidArgument)
    }
  }

  /// Changes the address of a label by taking it off and putting it on again.
  private mutating func change(
    _ label: String,
    _ call: String,
    _ edit: (inout InterfaceAddress<UInt32>) -> Void
  ) async throws(ProcessExit) -> Int32? {
    guard let device else { return try await fail(call, .noSuchDevice) }
    guard let place = place(label) else {
      return try await fail(call, .addressNotAvailable)
    }
    let old = device.inet.addresses[place]
    var address = old
    edit(&address)
    guard address != old else { return nil }
    namespace.removeAddress(at: place, from: device)
    address.flags.remove(.secondary)
    try await insert(address, call)
    return nil
  }

  /// `SIOCSIFNETMASK`: a broadcast address that fitted the old mask follows.
  private mutating func setMask(_ mask: UInt32, _ label: String) async throws(ProcessExit)
    -> Int32?
  {
    let inverted = ~mask
    guard inverted & (inverted &+ 1) == 0 else {
      return try await fail("SIOCSIFNETMASK", .invalidArgument)
    }
    return try await change(label, "SIOCSIFNETMASK") { address in
      let follows = address.broadcast == address.local | ~address.mask
      address.prefixLength = mask.nonzeroBitCount
      if follows, address.prefixLength < 31 { address.broadcast = address.local | inverted }
    }
  }

  /// `add` and `del`: an alias with the first free number, or the one that has the address.
  private mutating func changeAlias(_ local: UInt32, adding: Bool) async throws(ProcessExit) {
    guard let device else {
      _ = try await fail("SIOCSIFADDR", .noSuchDevice)
      return
    }
    let base = device.name
    func isAlias(_ label: String) -> Bool { label.hasPrefix(base + ":") }
    let known = device.inet.addresses.firstIndex { isAlias($0.label) && $0.local == local }
    if let known {
      if !adding { namespace.removeAddress(at: known, from: device) }
      return
    }
    var number = 0
    while place("\(base):\(number)") != nil { number += 1 }
    let label = "\(base):\(number)"
    let first = place(base).map { device.inet.addresses[$0] }
    try await assign(local, to: label)
    if let first {
      _ = try await setMask(first.mask, label)
      if let broadcast = first.broadcast {
        _ = try await change(label, "SIOCSIFBRDADDR") { $0.broadcast = broadcast }
      }
    }
  }
}

/// What ifconfig says of its own use.
enum IfconfigUsage {
  static let text = """
    Usage:
      ifconfig [-a] [-v] [-s] <interface> [[<AF>] <address>]
      [add <address>[/<prefixlen>]]
      [del <address>[/<prefixlen>]]
      [[-]broadcast [<address>]]  [[-]pointopoint [<address>]]
      [netmask <address>]  [dstaddr <address>]  [tunnel <address>]
      [outfill <NN>] [keepalive <NN>]
      [hw <HW> <address>]  [mtu <NN>]
      [[-]trailers]  [[-]arp]  [[-]allmulti]
      [multicast]  [[-]promisc]
      [mem_start <NN>]  [io_addr <NN>]  [irq <NN>]  [media <type>]
      [txqueuelen <NN>]
      [name <newname>]
      [[-]dynamic]
      [up|down] ...

      <HW>=Hardware Type.
      List of possible hardware types:
        loop (Local Loopback) slip (Serial Line IP) cslip (VJ Serial Line IP)\u{20}
        slip6 (6-bit Serial Line IP) cslip6 (VJ 6-bit Serial Line IP) adaptive (Adaptive Serial Line IP)\u{20}
        ash (Ash) ether (Ethernet) ax25 (AMPR AX.25)\u{20}
        netrom (AMPR NET/ROM) rose (AMPR ROSE) tunnel (IPIP Tunnel)\u{20}
        ppp (Point-to-Point Protocol) hdlc ((Cisco)-HDLC) lapb (LAPB)\u{20}
        arcnet (ARCnet) dlci (Frame Relay DLCI) frad (Frame Relay Access Device)\u{20}
        sit (IPv6-in-IPv4) fddi (Fiber Distributed Data Interface) hippi (HIPPI)\u{20}
        irda (IrLAP) ec (Econet) x25 (generic X.25)\u{20}
        eui64 (Generic EUI-64)\u{20}
      <AF>=Address family. Default: inet
      List of possible address families:
        unix (UNIX Domain) inet (DARPA Internet) inet6 (IPv6)\u{20}
        ax25 (AMPR AX.25) netrom (AMPR NET/ROM) rose (AMPR ROSE)\u{20}
        ipx (Novell IPX) ddp (Appletalk DDP) ec (Econet)\u{20}
        ash (Ash) x25 (CCITT X.25)\u{20}

    """
}
