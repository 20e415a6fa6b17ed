import HopyardSimulator
import HopyardWire

/// The kinds of devices that `ip link add` makes and `ip link set … type` changes.
enum LinkKind {
  /// Why a device was not made or changed.
  enum Failure: Error {
    case link(LinkError)
    case exit(ProcessExit)
  }

  private static let missing: Set<String> = [
    "amt", "bareudp", "bond", "bond_slave", "dsa", "erspan", "geneve", "gre", "gretap", "gtp",
    "hsr", "ifb", "ip6erspan", "ip6gre", "ip6gretap", "ip6tnl", "ipoib", "ipvlan",
    "ipvtap", "lowpan", "macsec", "macvtap", "netdevsim", "nlmon", "rmnet", "sit", "team",
    "team_slave", "tun", "vcan", "vrf", "vti", "vxcan", "wireguard", "wwan", "xfrm",
    "virt_wifi", "can", "vti6", "batadv",
  ]

  /// Whether Linux has a kind that the model lacks.
  static func isRealButMissing(_ kind: String) -> Bool { missing.contains(kind) }

  // MARK: Making

  /// Makes a device; nil if the kind is unknown.
  static func make(
    _ kind: String,
    _ request: LinkRequest,
    in namespace: NetworkNamespace,
    on parent: NetworkDevice?,
    _ context: IpContext
  ) throws(Failure) -> NetworkDevice? {
    switch kind {
    case "veth": return try makeVeth(request, namespace, context)
    case "bridge": return try makeBridge(request, namespace, context)
    case "vlan": return try makeVLAN(request, namespace, parent, context)
    case "macvlan": return try makeMacvlan(request, namespace, parent, context)
    case "vxlan": return try makeVXLAN(request, namespace, context)
    case "ipip": return try makeIPIP(request, namespace, context)
    case "dummy":
      try noArguments(request.typeArguments, context)
      return try caught { () throws(LinkError) in try namespace.makeDummy(request.newLink) }
    default: return nil
    }
  }

  static func caught<R>(_ body: () throws(LinkError) -> R) throws(Failure) -> R {
    do {
      return try body()
    } catch {
      throw .link(error)
    }
  }

  static func read<R>(_ body: () throws(ProcessExit) -> R) throws(Failure) -> R {
    do {
      return try body()
    } catch {
      throw .exit(error)
    }
  }

  private static func noArguments(_ words: [String], _ context: IpContext) throws(Failure) {
    guard let first = words.first else { return }
    context.printError(
      "Garbage instead of arguments \"\(first) ...\". Try \"ip link help\".\n"
    )
    throw .exit(.status(1))
  }

  static func unknown(_ kind: String, _ word: String, _ context: IpContext) -> Failure {
    let what = kind == "macvlan" ? "option" : "command"
    context.printError("\(kind): unknown \(what) \"\(word)\"?\n")
    guard let usage = LinkKindUsage.text(kind) else { return .exit(.status(255)) }
    context.printError(usage)
    return .exit(.status(1))
  }

  private static func makeVeth(
    _ request: LinkRequest,
    _ namespace: NetworkNamespace,
    _ context: IpContext
  ) throws(Failure) -> NetworkDevice {
    var peer = LinkRequest()
    if let first = request.typeArguments.first {
      guard first == "peer" else {
        context.printError(
          """
          Usage: ip link <options> type veth [peer <options>]
          To get <options> type 'ip link add help'

          """
        )
        throw .exit(.status(1))
      }
      var arguments = IpArguments(request.typeArguments, context, from: 1)
      try read { () throws(ProcessExit) in try peer.read(&arguments, context, creating: true) }
    }
    var other = namespace
    switch peer.place {
    case .namespace(let target): other = target
    case .noProcess:
      _ = context.answer("No such process")
      throw .exit(.status(2))
    case nil: break
    }
    let pair = try caught { () throws(LinkError) in
      try namespace.makeVeth(request.newLink, peer: peer.newLink, in: other)
    }
    if peer.isUp == true { try caught { () throws(LinkError) in try other.setLinkUp(pair.1) } }
    return pair.0
  }

  private static func makeBridge(
    _ request: LinkRequest,
    _ namespace: NetworkNamespace,
    _ context: IpContext
  ) throws(Failure) -> NetworkDevice {
    let changes = try bridgeChanges(request.typeArguments, context)
    let bridge = try caught { () throws(LinkError) in try namespace.makeBridge(request.newLink) }
    do {
      try apply(changes, to: bridge)
    } catch {
      try? namespace.removeLink(bridge)
      throw error
    }
    return bridge
  }

  private static func makeVLAN(
    _ request: LinkRequest,
    _ namespace: NetworkNamespace,
    _ parent: NetworkDevice?,
    _ context: IpContext
  ) throws(Failure) -> NetworkDevice {
    let changes = try vlanChanges(request.typeArguments, context)
    guard let identifier = changes.identifier else {
      throw .link(LinkError(.invalidArgument, "8021q: VLAN properties not specified"))
    }
    guard let parent else {
      throw .link(LinkError(.invalidArgument, "8021q: link not specified"))
    }
    let device = try caught { () throws(LinkError) in
      try namespace.makeVLAN(
        request.newLink,
        on: parent,
        NewVLAN(identifier: identifier, vlanProtocol: changes.vlanProtocol ?? 0x8100)
      )
    }
    apply(changes, to: device)
    return device
  }

  private static func makeMacvlan(
    _ request: LinkRequest,
    _ namespace: NetworkNamespace,
    _ parent: NetworkDevice?,
    _ context: IpContext
  ) throws(Failure) -> NetworkDevice {
    let changes = try macvlanChanges(request.typeArguments, context)
    guard let parent else { throw .link(LinkError(.invalidArgument)) }
    let device = try caught { () throws(LinkError) in
      try namespace.makeMacvlan(request.newLink, on: parent, mode: changes.mode ?? .vepa)
    }
    try apply(changes, to: device)
    return device
  }

  // MARK: Changing

  /// Changes what a device's kind has of its own.
  static func change(
    _ kind: String,
    _ words: [String],
    _ device: NetworkDevice,
    _ context: IpContext
  ) throws(Failure) {
    // Without anything to change the kernel does not look at the kind.
    if words.isEmpty { return }
    switch kind {
    case "bridge":
      let changes = try bridgeChanges(words, context)
      guard let bridge = device as? BridgeDevice else { throw .link(LinkError(.notSupported)) }
      try apply(changes, to: bridge)
    case "bridge_slave":
      let changes = try portChanges(words, context)
      guard let port = device.bridgePort else { throw .link(LinkError(.notSupported)) }
      for change in changes.values {
        try caught { () throws(LinkError) in try port.set(change.option, to: change.value) }
      }
      if changes.flushes { port.bridge.removeEntries { $0.port === port && $0.isLearned } }
    case "vlan":
      let changes = try vlanChanges(words, context)
      guard let vlan = device as? VLANDevice else { throw .link(LinkError(.notSupported)) }
      apply(changes, to: vlan)
    case "macvlan":
      let changes = try macvlanChanges(words, context)
      guard let macvlan = device as? MacvlanDevice else { throw .link(LinkError(.notSupported)) }
      try apply(changes, to: macvlan)
    case "vxlan":
      guard let vxlan = device as? VXLANDevice else { throw .link(LinkError(.notSupported)) }
      try changeVXLAN(vxlan, words, context)
    case "ipip":
      guard let tunnel = device as? IPIPDevice else { throw .link(LinkError(.notSupported)) }
      try changeIPIP(tunnel, words, context)
    default:
      if isRealButMissing(kind) {
        throw .exit(.refused("devices of type \(kind) are not modelled"))
      }
      throw .link(LinkError(.notSupported))
    }
  }

  // MARK: Bridge

  struct BridgeChanges {
    var values: [(option: BridgeOption, value: UInt64)] = []
    var flushes = false
  }

  private static func bridgeChanges(
    _ words: [String],
    _ context: IpContext
  ) throws(Failure) -> BridgeChanges {
    var changes = BridgeChanges()
    var arguments = IpArguments(words, context)
    while let word = arguments.next() {
      if word == "fdb_flush" {
        changes.flushes = true
        continue
      }
      if word == "group_address" { throw .exit(.refused("group_address is not modelled")) }
      guard
        let option = BridgeOption.allCases.first(where: { IpOptions.matches(word, $0.rawValue) })
      else { throw unknown("bridge", word, context) }
      let text = try read { () throws(ProcessExit) in try arguments.value() }
      if option == .vlanProtocol {
        switch text.lowercased() {
        case "802.1q": changes.values.append((option, 0x8100))
        case "802.1ad": changes.values.append((option, 0x88a8))
        default: throw .exit(arguments.wrong(text, "invalid vlan_protocol"))
        }
        continue
      }
      guard let number = LinkRequest.number(text), number >= 0, number <= UInt32.max else {
        throw .exit(arguments.wrong(text, "invalid \(option.rawValue)"))
      }
      if option == .stpState && number != 0 {
        throw .exit(.refused("the spanning tree (stp_state 1) is not modelled"))
      }
      changes.values.append((option, UInt64(number)))
    }
    return changes
  }

  private static func apply(_ changes: BridgeChanges, to bridge: BridgeDevice) throws(Failure) {
    // The kernel's order: filtering before the default VLAN.
    for change in changes.values {
      try caught { () throws(LinkError) in try bridge.set(change.option, to: change.value) }
    }
    if changes.flushes { bridge.flushLearned() }
  }

  struct PortChanges {
    var values: [(option: BridgePortOption, value: UInt64)] = []
    var flushes = false
  }

  private static func portChanges(
    _ words: [String],
    _ context: IpContext
  ) throws(Failure) -> PortChanges {
    var changes = PortChanges()
    var arguments = IpArguments(words, context)
    while let word = arguments.next() {
      if word == "fdb_flush" {
        changes.flushes = true
        continue
      }
      let name = word == "mcast_fast_leave" ? "fastleave" : word
      guard
        let option = BridgePortOption.allCases.first(where: {
          IpOptions.matches(name, $0.rawValue)
        })
      else { throw unknown("bridge_slave", word, context) }
      let text = try read { () throws(ProcessExit) in try arguments.value() }
      if option.flag != nil {
        switch text {
        case "on": changes.values.append((option, 1))
        case "off": changes.values.append((option, 0))
        default:
          context.printError(
            "Error: argument of \"\(name)\" must be \"on\" or \"off\", not \"\(text)\"\n"
          )
          throw .exit(.status(255))
        }
        continue
      }
      guard let number = LinkRequest.number(text), number >= 0 else {
        throw .exit(arguments.wrong(text, "\(option.rawValue) is invalid"))
      }
      changes.values.append((option, UInt64(number)))
    }
    return changes
  }

  // MARK: VLAN

  struct VLANChanges {
    var identifier: UInt16?
    var vlanProtocol: UInt16?
    var flags: [(name: String, isOn: Bool)] = []
    var ingress: [(UInt8, UInt32)] = []
    var egress: [(UInt32, UInt8)] = []
  }

  private static func vlanChanges(
    _ words: [String],
    _ context: IpContext
  ) throws(Failure) -> VLANChanges {
    var changes = VLANChanges()
    var arguments = IpArguments(words, context)
    while let word = arguments.next() {
      func isWord(_ full: String) -> Bool { IpOptions.matches(word, full) }
      func value() throws(Failure) -> String {
        try read { () throws(ProcessExit) in try arguments.value() }
      }
      if isWord("protocol") {
        let text = try value()
        switch text.lowercased() {
        case "802.1q": changes.vlanProtocol = 0x8100
        case "802.1ad": changes.vlanProtocol = 0x88a8
        default: throw .exit(arguments.wrong(text, "protocol is invalid"))
        }
      } else if isWord("id") {
        let text = try value()
        guard let number = LinkRequest.number(text), let small = UInt16(exactly: number) else {
          throw .exit(arguments.wrong(text, "id is invalid"))
        }
        changes.identifier = small
      } else if let flag = [
        "reorder_hdr", "gvrp", "mvrp", "loose_binding", "bridge_binding",
      ].first(where: { isWord($0) }) {
        let text = try value()
        guard text == "on" || text == "off" else {
          context.printError(
            "Error: argument of \"\(flag)\" must be \"on\" or \"off\", not \"\(text)\"\n"
          )
          throw .exit(.status(1))
        }
        changes.flags.append((flag, text == "on"))
      } else if isWord("ingress-qos-map") || isWord("egress-qos-map") {
        let isIngress = isWord("ingress-qos-map")
        while let pair = arguments.current, let map = Self.map(pair) {
          arguments.index += 1
          if isIngress {
            changes.ingress.append((UInt8(truncatingIfNeeded: map.from & 7), map.to))
          } else {
            changes.egress.append((map.from, UInt8(truncatingIfNeeded: map.to & 7)))
          }
        }
      } else {
        throw unknown("vlan", word, context)
      }
    }
    return changes
  }

  private static func map(_ text: String) -> (from: UInt32, to: UInt32)? {
    let halves = text.split(separator: ":", omittingEmptySubsequences: false)
    guard halves.count == 2, let from = UInt32(halves[0]), let to = UInt32(halves[1]) else {
      return nil
    }
    return (from, to)
  }

  private static func apply(_ changes: VLANChanges, to vlan: VLANDevice) {
    for flag in changes.flags { vlan.setFlag(flag.name, flag.isOn) }
    for (from, to) in changes.ingress { vlan.setIngress(from: from, to: to) }
    for (from, to) in changes.egress { vlan.setEgress(from: from, to: to) }
  }

  // MARK: Macvlan

  struct MacvlanChanges {
    enum Sources {
      case add(MACAddress)
      case remove(MACAddress)
      case set([MACAddress])
    }
    var mode: MacvlanMode?
    var leavesPromiscuity: Bool?
    var sources: Sources?
  }

  private static func macvlanChanges(
    _ words: [String],
    _ context: IpContext
  ) throws(Failure) -> MacvlanChanges {
    var changes = MacvlanChanges()
    var arguments = IpArguments(words, context)
    func value() throws(Failure) -> String {
      try read { () throws(ProcessExit) in try arguments.value() }
    }
    while let word = arguments.next() {
      if IpOptions.matches(word, "mode") {
        let text = try value()
        guard let mode = MacvlanMode.allCases.first(where: { $0.name == text }) else {
          context.printError(
            "Error: argument of \"mode\" must be \"private\", \"vepa\", \"bridge\", \"passthru\" or \"source\", not \"\(text)\"\n"
          )
          throw .exit(.status(1))
        }
        changes.mode = mode
      } else if IpOptions.matches(word, "flag") {
        let text = try value()
        guard text == "nopromisc" || text == "nodst" || text == "null" else {
          context.printError(
            "Error: argument of \"flag\" must be \"nopromisc\", \"nodst\" or \"null\", not \"\(text)\"\n"
          )
          throw .exit(.status(1))
        }
        changes.leavesPromiscuity = text == "nopromisc"
      } else if word == "nopromisc" {
        changes.leavesPromiscuity = true
      } else if word == "bcqueuelen" || word == "bclim" {
        _ = try value()
      } else if word == "macaddr" {
        let verb = try value()
        func address() throws(Failure) -> MACAddress {
          let text = try value()
          guard let mac = MACAddress(text) else {
            context.printError("\"\(text)\" is invalid lladdr.\n")
            throw .exit(.status(1))
          }
          return mac
        }
        switch verb {
        case "add": changes.sources = .add(try address())
        case "del": changes.sources = .remove(try address())
        case "flush": changes.sources = .set([])
        case "set":
          var list: [MACAddress] = []
          while arguments.hasMore { list.append(try address()) }
          changes.sources = .set(list)
        default: throw unknown("macvlan", verb, context)
        }
      } else {
        throw unknown("macvlan", word, context)
      }
    }
    return changes
  }

  private static func apply(_ changes: MacvlanChanges, to device: MacvlanDevice) throws(Failure) {
    if let leaves = changes.leavesPromiscuity { device.setLeavesPromiscuity(leaves) }
    try caught { () throws(LinkError) in
      if let mode = changes.mode { try device.setMode(mode) }
      switch changes.sources {
      case .add(let mac): try device.setSources(device.sources.filter { $0 != mac } + [mac])
      case .remove(let mac): try device.setSources(device.sources.filter { $0 != mac })
      case .set(let list): try device.setSources(list)
      case nil: break
      }
    }
  }
}

extension FDBEntry {
  /// Whether it was learned and nobody set it.
  var isLearned: Bool { flags.isDisjoint(with: [.static, .local]) }
}
