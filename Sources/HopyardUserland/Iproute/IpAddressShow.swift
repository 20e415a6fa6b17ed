import HopyardSimulator
import HopyardWire

/// `ip address show` and `ip address flush`.
enum IpAddressShow {
  static func run(_ context: IpContext, _ words: [String]) throws(ProcessExit) -> Int32 {
    var filter = AddressFilter(family: context.options.family)
    var arguments = IpArguments(words, context)
    try filter.read(&arguments, context, flushing: false)
    var devices = context.namespace.devices.all
    if let name = filter.links.device {
      guard let device = context.namespace.devices[name] else {
        context.printError("Device \"\(name)\" does not exist.\n")
        return 1
      }
      devices = [device]
    }
    let options = context.options
    var printer = LinkPrinter(namespace: context.namespace, options: options, isLink: false)
    printer.hidesLinkLayer = filter.needsAddresses
    var output = context.makeOutput()
    for device in devices {
      if filter.family != .packet && !filter.matches(device) { continue }
      output.openObject()
      print(device, filter, printer, options, &output)
      output.closeObject()
    }
    context.print(output)
    return 0
  }

  private static func print(
    _ device: NetworkDevice,
    _ filter: AddressFilter,
    _ printer: LinkPrinter,
    _ options: IpOptions,
    _ output: inout IpOutput
  ) {
    let matches = filter.links.matches(device)
    if options.isBrief {
      guard matches else { return }
      printer.printBrief(device, &output)
    } else if !options.isOneLine && filter.label == nil {
      guard matches else { return }
      printer.print(device, &output)
      output.text("\n")
    } else if !matches {
      return
    }
    guard filter.family != .packet else { return }
    output.openArray("addr_info")
    for address in device.inet.addresses where filter.matches(address) {
      output.openObject()
      print(address, device, options, &output)
      output.closeObject()
    }
    output.closeArray()
    if options.isBrief { output.text("\n") }
    if options.statistics > 0 && !options.isBrief && !options.isOneLine {
      LinkStatisticsPrinter(options: options).print(device, &output)
      output.text("\n")
    }
  }

  private static func print(
    _ address: InterfaceAddress<UInt32>,
    _ device: NetworkDevice,
    _ options: IpOptions,
    _ output: inout IpOutput
  ) {
    if !options.isBrief {
      if options.isOneLine {
        output.field("index", .number(Int64(device.ifindex)), text: "\(device.ifindex): ")
        output.field("dev", device.name, text: device.name, colour: .interface)
      }
      output.field("family", "inet", text: "    inet ")
    }
    let local = IPv4Address(rawValue: address.local).description
    output.field("local", local, text: local, colour: .address)
    if address.peer != address.local {
      let peer = IPv4Address(rawValue: address.peer).description
      output.field("address", peer, lead: " peer ", text: peer, colour: .address)
    }
    output.field(
      "prefixlen",
      .number(Int64(address.prefixLength)),
      text: "/\(address.prefixLength) "
    )
    if address.metric != 0 {
      output.field(
        "metric",
        .number(Int64(address.metric)),
        text: "metric \(address.metric) "
      )
    }
    if options.isBrief { return }
    if let broadcast = address.broadcast {
      let text = IPv4Address(rawValue: broadcast).description
      output.field("broadcast", text, lead: "brd ", text: text + " ", colour: .address)
    }
    let scope = IprouteNames.text(address.scope, isNumeric: options.isNumeric)
    output.field("scope", scope, text: "scope \(scope) ")
    printFlags(address.flags, &output)
    if address.protocol != .unspecified {
      let text = addressProtocol(address.protocol.rawValue)
      output.field("protocol", text, text: "proto \(text) ")
    }
    output.field("label", address.label, text: address.label)
    output.text(options.lineEnd + "       valid_lft ")
    let elapsed = UInt32(
      clamping: (device.simulation.now.nanoseconds - address.updated) / 1_000_000_000
    )
    printLifetime("valid_life_time", address.validLifetime, elapsed, &output)
    output.text(" preferred_lft ")
    if address.flags.contains(.deprecated) && address.preferredLifetime != .max {
      output.field("preferred_life_time", .number(0), text: "0sec")
    } else {
      printLifetime("preferred_life_time", address.preferredLifetime, elapsed, &output)
    }
    output.text("\n")
  }

  private static func printLifetime(
    _ name: String,
    _ lifetime: UInt32,
    _ elapsed: UInt32,
    _ output: inout IpOutput
  ) {
    if lifetime == .max {
      output.field(name, .unsigned(UInt64(UInt32.max)), text: "forever")
    } else {
      let left = lifetime > elapsed ? lifetime - elapsed : 0
      output.field(name, .unsigned(UInt64(left)), text: "\(left)sec")
    }
  }

  private static func printFlags(_ flags: InterfaceAddressFlags, _ output: inout IpOutput) {
    let names: [(InterfaceAddressFlags, String)] = [
      (.secondary, "secondary"), (.nodad, "nodad"), (.optimistic, "optimistic"),
      (.dadFailed, "dadfailed"), (.home, "home"), (.deprecated, "deprecated"),
      (.tentative, "tentative"), (.permanent, "dynamic"), (.manageTemporaryAddress, "mngtmpaddr"),
      (.noPrefixRoute, "noprefixroute"), (.autojoin, "autojoin"),
    ]
    for (flag, name) in names where flags.contains(flag) != (flag == .permanent) {
      output.field(name, .bool(true), text: "\(name) ")
    }
  }

  private static func addressProtocol(_ number: UInt8) -> String {
    switch number {
    case 1: "kernel_lo"
    case 2: "kernel_ra"
    case 3: "kernel_ll"
    default: String(number)
    }
  }

  // MARK: Flush

  static func flush(_ context: IpContext, _ words: [String]) throws(ProcessExit) -> Int32 {
    guard !words.isEmpty else {
      context.printError("Flush requires arguments.\n")
      return 1
    }
    var filter = AddressFilter(family: context.options.family)
    var arguments = IpArguments(words, context)
    try filter.read(&arguments, context, flushing: true)
    let namespace = context.namespace
    var devices = namespace.devices.all
    if let name = filter.links.device {
      guard let device = namespace.devices[name] else {
        context.printError("Device \"\(name)\" does not exist.\n")
        return 1
      }
      devices = [device]
    }
    devices = devices.filter { filter.links.matches($0) }
    var round = 0
    while round < 10 {
      var doomed = 0
      for device in devices {
        let matching = device.inet.addresses.filter { filter.matches($0) }
        doomed += matching.count
        for address in matching {
          // Secondaries went with their primary already.
          guard
            let index = device.inet.addresses.firstIndex(where: {
              $0.local == address.local && $0.peer == address.peer
                && $0.prefixLength == address.prefixLength
            })
          else { continue }
          namespace.removeAddress(at: index, from: device)
        }
      }
      if doomed == 0 {
        if context.options.statistics > 0 {
          if round == 0 {
            context.print("Nothing to flush.\n")
          } else {
            context.print("*** Flush is complete after \(round) round\(round > 1 ? "s" : "") ***\n")
          }
        }
        return 0
      }
      round += 1
      if context.options.statistics > 0 {
        context.print("\n*** Round \(round), deleting \(doomed) addresses ***\n")
      }
    }
    return 0
  }
}
