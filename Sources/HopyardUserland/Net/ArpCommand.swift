import HopyardSimulator
import HopyardWire

/// `arp`, as net-tools has it.
enum ArpCommand {
  private static let specification = OptionSpecification(
    "aenvdsi:",
    long: ["all=a", "numeric=n", "verbose=v", "delete=d", "set=s", "device:=i"],
    refused: "fH:t:A:VhD",
    refusedLong: ["file", "hw-type:", "version", "help", "use-device"]
  )

  static let command = Command("arp", options: specification) {
    process,
    arguments async throws(ProcessExit) in
    let parsed = try await process.options(specification, arguments, status: 1)
    let namespace = process.namespace
    if parsed.has("d") || parsed.has("s") {
      guard let text = parsed.operands.first, let address = process.resolve(text) else {
        try await process.printError(
          parsed.operands.isEmpty
            ? "arp: need host name\n" : "\(parsed.operands[0]): Host name lookup failure\n"
        )
        return 255
      }
      return parsed.has("d")
        ? try await delete(process, namespace, address, parsed["i"])
        : try await set(process, namespace, address, parsed)
    }
    return try await list(process, namespace, parsed)
  }

  private static func delete(
    _ process: Process,
    _ namespace: NetworkNamespace,
    _ address: IPv4Address,
    _ device: String?
  ) async throws(ProcessExit) -> Int32 {
    let found = namespace.neighbours.first {
      $0.address == address && (device == nil || namespace.devices[$0.ifindex]?.name == device)
    }
    guard let found, let owner = namespace.devices[found.ifindex] else {
      try await process.printError("No ARP entry for \(address)\n")
      return 255
    }
    try? namespace.removeNeighbour(address, on: owner)
    return 0
  }

  private static func set(
    _ process: Process,
    _ namespace: NetworkNamespace,
    _ address: IPv4Address,
    _ parsed: ParsedOptions
  ) async throws(ProcessExit) -> Int32 {
    guard parsed.operands.count > 1 else {
      try await process.printError("arp: need hardware address\n")
      return 255
    }
    guard let mac = MACAddress(parsed.operands[1]) else {
      try await process.printError("arp: invalid hardware address\n")
      return 255
    }
    for word in parsed.operands.dropFirst(2) where word != "dev" && word != "perm" {
      if word == "temp" || word == "pub" || word == "netmask" {
        throw .refused("arp: \(word) is not modelled")
      }
    }
    var device = parsed["i"].flatMap { namespace.devices[$0] }
    if device == nil {
      let probe = namespace.sockets.makeUDP()
      defer { probe.close() }
      if (try? probe.connect(to: address, port: 9)) != nil {
        device = namespace.devices.all.first { owner in
          owner.inet.addresses.contains { $0.local == probe.localAddress.rawValue }
        }
      }
    }
    guard let device else {
      try await process.printError("SIOCSARP: Network is unreachable\n")
      return 255
    }
    do throws(LinkError) {
      try namespace.setNeighbour(
        address,
        on: device,
        linkAddress: mac,
        state: .permanent,
        .replace
      )
    } catch {
      try await process.printError("SIOCSARP: \(error.errno.description)\n")
      return 255
    }
    return 0
  }

  private static func list(
    _ process: Process,
    _ namespace: NetworkNamespace,
    _ parsed: ParsedOptions
  ) async throws(ProcessExit) -> Int32 {
    let wanted = parsed.operands.first.flatMap { process.resolve($0) }
    var lines = ""
    var shown = 0
    var skipped = 0
    for entry in namespace.neighbours where entry.state != .noARP {
      guard let device = namespace.devices[entry.ifindex] else { continue }
      if let wanted, entry.address != wanted {
        skipped += 1
        continue
      }
      if let name = parsed["i"], device.name != name {
        skipped += 1
        continue
      }
      shown += 1
      if parsed.has("a") {
        let name = parsed.has("n") ? "?" : process.hostName(of: entry.address) ?? "?"
        let mac = entry.linkAddress.map { "\($0) [ether]" } ?? "<incomplete>"
        let flag = entry.state == .permanent ? " PERM" : ""
        lines += "\(name) (\(entry.address)) at \(mac)\(flag) on \(device.name)\n"
      } else {
        let name =
          parsed.has("n")
          ? entry.address.description
          : process.hostName(of: entry.address) ?? entry.address.description
        if let mac = entry.linkAddress {
          let flags = entry.state == .permanent ? "CM" : "C"
          lines += name.padded(24) + " " + "ether".padded(7) + " " + mac.description.padded(19)
          lines += " " + flags.padded(5) + " " + "".padded(15) + " " + device.name + "\n"
        } else {
          lines += name.padded(24) + " " + "".padded(7) + " " + "(incomplete)".padded(19)
          lines += " " + "".padded(5) + " " + "".padded(15) + " " + device.name + "\n"
        }
      }
    }
    if let text = parsed.operands.first, shown == 0 {
      try await process.print("\(text) (\(wanted?.description ?? text)) -- no entry\n")
      return 0
    }
    if !parsed.has("a"), shown > 0 {
      lines =
        "Address                  HWtype  HWaddress           Flags Mask            Iface\n" + lines
    }
    if parsed.has("v") {
      lines += "Entries: \(shown + skipped)\tSkipped: \(skipped)\tFound: \(shown)\n"
    }
    try await process.print(lines)
    return 0
  }
}
