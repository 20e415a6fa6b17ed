/// The packets of a recording: a section for each interface, a line for each packet.
struct PacketsText {
  private let recording: Recording
  private let names: LabNames
  private typealias Interface = LabNames.Interface

  init(_ recording: Recording, names: LabNames) {
    self.recording = recording
    self.names = names
  }

  /// The whole text; packets are decoded in order of time, so that names follow it.
  func text() -> String {
    var sections: [Interface: [String]] = [:]
    var order: [Interface] = []
    for (interface, line) in decodedLines() {
      if sections[interface] == nil { order.append(interface) }
      sections[interface, default: []].append(line)
    }
    var places: [Interface: Int] = [:]
    for link in recording.links {
      places[Interface(namespace: link.namespace, name: link.name)] = link.index
    }
    func place(_ interface: Interface) -> (Int, String, Int, String) {
      (
        interface.namespace == "host" ? 0 : 1, interface.namespace, places[interface] ?? .max,
        interface.name
      )
    }
    let isSummed = recording.isMarked("streams")
    var lines: [String] = []
    for interface in order.sorted(by: { place($0) < place($1) }) {
      let section = sections[interface] ?? []
      lines.append("## \(interface.namespace) \(interface.name)")
      lines += isSummed ? StreamSummary.summing(section) : section
      lines.append("")
    }
    return lines.joined(separator: "\n")
  }

  private func decodedLines() -> [(Interface, String)] {
    var decoder = FrameDecoder(names: names)
    var loopbacks: Set<Interface> = []
    var multipoints: Set<Interface> = []
    for link in recording.links {
      let interface = Interface(namespace: link.namespace, name: link.name)
      if link.hardwareType == Recording.Link.loopbackType { loopbacks.insert(interface) }
      if link.hardwareType == Recording.Link.greType { multipoints.insert(interface) }
    }
    var bridgeSources = BridgeSources(recording.links)
    var lines: [(Interface, String)] = []
    for packet in recording.packets {
      let captured = packet.captured
      let interface = Interface(namespace: packet.namespace, name: captured.interface)
      let frame = bridgeSources.settled(packet, on: interface)
      if isLeftOut(frame, linkType: captured.linkType) { continue }
      decoder.isMultipoint = multipoints.contains(interface)
      decoder.verifiesChecksums = !loopbacks.contains(interface)
      let text = decoder.line(linkType: captured.linkType, frame)
      lines.append((interface, (captured.isOutgoing ? "out " : "in  ") + text))
    }
    return lines
  }

  /// IPv6 is left out unless the lab asks for it; multicast listener reports always, for they come at
  /// random times.
  private func isLeftOut(_ frame: Bytes, linkType: Int) -> Bool {
    let isEthernet = linkType == FrameDecoder.LinkType.ethernet
    if !names.showsIPv6 {
      let isIPv6 =
        isEthernet
        ? (try? frame.u16(12)) == FrameDecoder.EtherType.ipv6 : ((try? frame.u8(0)) ?? 0) >= 0x60
      if isIPv6 { return true }
    }
    if isEthernet, (try? frame.u16(12)) != FrameDecoder.EtherType.ipv6 { return false }
    let packet = isEthernet ? frame.slice(14) : frame
    guard packet.count > 48, let version = try? packet.u8(0) >> 4, let next = try? packet.u8(6),
      let inner = try? packet.u8(40), let type = try? packet.u8(48)
    else { return false }
    return version == 6 && next == 0 && inner == 58 && [130, 131, 132, 143].contains(type)
  }
}

/// The source address of frames that a bridge sends from its own device after a destination NAT.
///
/// Linux puts the old source back a moment later, in memory that the capture shares, so that a
/// recording shows the one or the other by chance. Here such a frame always has the bridge's own.
private struct BridgeSources {
  private var bridges: [LabNames.Interface: [[UInt8]]] = [:]
  /// The source addresses of frames that came into each namespace.
  private var arrived: [String: Set<[UInt8]>] = [:]

  init(_ links: [Recording.Link]) {
    for link in links where link.kind == "bridge" && !link.macs.isEmpty {
      let interface = LabNames.Interface(namespace: link.namespace, name: link.name)
      bridges[interface] = link.macs.map { mac in
        mac.split(separator: ":").map { UInt8($0, radix: 16) ?? 0 }
      }
    }
  }

  mutating func settled(_ packet: Recording.Packet, on interface: LabNames.Interface) -> Bytes {
    let frame = packet.captured.frame
    guard packet.captured.linkType == FrameDecoder.LinkType.ethernet, frame.count >= 14 else {
      return frame
    }
    let source = frame.slice(6, 12).array
    if !packet.captured.isOutgoing {
      arrived[packet.namespace, default: []].insert(source)
      return frame
    }
    guard let own = bridges[interface], let address = own.last, !own.contains(source),
      arrived[packet.namespace]?.contains(source) == true
    else { return frame }
    return Bytes(frame.slice(0, 6).array + address + frame.slice(12).array)
  }
}

/// TCP segments as one line for each direction of each connection.
private enum StreamSummary {
  private struct Stream {
    var key: String
    var flags: Set<Character> = []
    var bytes = 0
  }

  /// The lines that are not TCP, then the connections: their flags and payload, each byte once.
  ///
  /// For transfers whose segment boundaries Linux itself does not repeat.
  static func summing(_ lines: [String]) -> [String] {
    let segment =
      /(in |out) (\S+ > \S+) ip (\S+) > (\S+) .*\| tcp (\S+) > (\S+) \[(\S*)\] seq=(\d+) .*?len=(\d+)/
      .matchingSemantics(.unicodeScalar).asciiOnlyCharacterClasses()
    var others: [String] = []
    var streams: [Stream] = []
    var indices: [String: Int] = [:]
    for line in lines {
      guard line.utf8.contains(UInt8(ascii: "|")), let match = line.prefixMatch(of: segment) else {
        others.append(line)
        continue
      }
      let (_, way, macs, source, destination, from, to, flags, sequence, size) = match.output
      let key = "\(way) \(macs) tcp \(source):\(from) > \(destination):\(to)"
      let index = indices[key] ?? streams.count
      if index == streams.count {
        streams.append(Stream(key: key))
        indices[key] = index
      }
      streams[index].flags.formUnion(flags)
      if let size = Int(size), size > 0, let sequence = Int(sequence) {
        streams[index].bytes = max(streams[index].bytes, sequence + size - 1)
      }
    }
    return others
      + streams.map { stream in
        let flags = "SFRP.UEW".filter { stream.flags.contains($0) }
        return "\(stream.key) stream [\(flags)] bytes=\(stream.bytes)"
      }
  }
}
