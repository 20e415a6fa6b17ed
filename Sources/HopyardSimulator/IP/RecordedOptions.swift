import HopyardWire

/// The IPv4 options that hosts on the way fill in: record route and timestamp (RFC 791 §3.1).
extension IPv4Stack {
  private static var recordRoute: UInt8 { 7 }
  private static var timestamp: UInt8 { 68 }

  /// How a timestamp option is filled.
  private enum TimestampKind: UInt8 {
    case timeOnly = 0
    case withAddress = 1
    case prespecified = 3
  }

  /// Where the record-route and timestamp options of a header begin.
  private static func recorded(_ packet: borrowing Packet, _ headerLength: Int) -> [Int] {
    var found: [Int] = []
    var at = 20
    while at < headerLength {
      let kind = packet.u8(at: at)
      if kind == 0 { break }
      if kind == 1 {
        at += 1
        continue
      }
      guard at + 1 < headerLength else { break }
      let length = Int(packet.u8(at: at + 1))
      guard length >= 2, at + length <= headerLength else { break }
      if (kind == recordRoute || kind == timestamp) && length >= 4 { found.append(at) }
      at += length
    }
    return found
  }

  /// Milliseconds since midnight (`inet_current_timestamp`).
  private var stampOfTime: UInt32 {
    UInt32(truncatingIfNeeded: simulation.now.nanoseconds / 1_000_000 % 86_400_000)
  }

  /// Fills the next free place of each option; true if something changed.
  private func fill(
    _ packet: inout Packet,
    _ headerLength: Int,
    address: UInt32,
    isOwn: Bool
  ) -> Bool {
    var hasChanged = false
    for at in Self.recorded(packet, headerLength) {
      let length = Int(packet.u8(at: at + 1))
      let pointer = Int(packet.u8(at: at + 2))
      if packet.u8(at: at) == Self.recordRoute {
        guard pointer >= 4, pointer + 3 <= length else { continue }
        packet.setU32(address, at: at + pointer - 1)
        packet.setU8(UInt8(truncatingIfNeeded: pointer + 4), at: at + 2)
        hasChanged = true
        continue
      }
      guard let kind = TimestampKind(rawValue: packet.u8(at: at + 3) & 15), pointer >= 5 else {
        continue
      }
      guard pointer + (kind == .timeOnly ? 3 : 7) <= length else {
        let overflow = packet.u8(at: at + 3) >> 4
        if kind != .prespecified, !isOwn, overflow < 15 {
          packet.setU8(packet.u8(at: at + 3) + 16, at: at + 3)
          hasChanged = true
        }
        continue
      }
      if kind == .prespecified,
        !devices.isLocalAddress(packet.u32(at: at + pointer - 1))
      {
        continue
      }
      if kind == .withAddress { packet.setU32(address, at: at + pointer - 1) }
      packet.setU32(stampOfTime, at: at + pointer - (kind == .timeOnly ? 1 : -3))
      packet.setU8(
        UInt8(truncatingIfNeeded: pointer + (kind == .timeOnly ? 4 : 8)),
        at: at + 2
      )
      hasChanged = true
    }
    return hasChanged
  }

  private func updateChecksum(_ packet: inout Packet, _ headerLength: Int) {
    packet.setU16(0, at: 10)
    let sum = packet.withBytes {
      InternetChecksum.checksum(of: UnsafeRawBufferPointer(rebasing: $0[..<headerLength]))
    }
    packet.setU16(sum, at: 10)
  }

  /// Notes in the options of a received packet that it came by here (`ip_options_compile`).
  func recordArrival(_ packet: inout Packet, on device: NetworkDevice, isLocal: Bool) {
    let headerLength = Int(packet.u8(at: 0) & 15) * 4
    guard packet.count >= headerLength else { return }
    let address = isLocal ? packet.u32(at: 16) : addressTowards(packet.u32(at: 12), on: device)
    if fill(&packet, headerLength, address: address, isOwn: false) {
      updateChecksum(&packet, headerLength)
    }
  }

  /// The address from which a sender would be answered (`fib_compute_spec_dst`).
  private func addressTowards(_ sender: UInt32, on device: NetworkDevice) -> UInt32 {
    let key = FlowKey<UInt32>(destination: sender)
    if let way = try? routes.routeOutput(key) { return way.source }
    return selectSource(device, sender, .universe)
  }

  /// Puts the address of the device by which a packet leaves in the place of the one that its
  /// arrival recorded (`ip_forward_options`).
  func recordDeparture(
    _ packet: inout Packet,
    _ route: RouteDecision,
    from device: NetworkDevice
  ) {
    let headerLength = Int(packet.u8(at: 0) & 15) * 4
    let arrival = addressTowards(packet.u32(at: 12), on: device)
    var hasChanged = false
    for at in Self.recorded(packet, headerLength) where packet.u8(at: at) == Self.recordRoute {
      let pointer = Int(packet.u8(at: at + 2))
      guard pointer >= 8, pointer - 1 <= Int(packet.u8(at: at + 1)),
        packet.u32(at: at + pointer - 5) == arrival
      else { continue }
      let key = FlowKey<UInt32>(
        destination: packet.u32(at: 16),
        outputIfindex: route.device.ifindex,
        mark: packet.metadata.mark
      )
      let address =
        (try? routes.routeOutput(key))?.source
        ?? selectSource(route.device, route.nextHop, .universe)
      packet.setU32(address, at: at + pointer - 5)
      hasChanged = true
    }
    if hasChanged { updateChecksum(&packet, headerLength) }
  }

  /// Fills the first place of the options of a packet of this host (`ip_options_build`).
  func recordSending(_ packet: inout Packet, _ headerLength: Int, source: UInt32) {
    _ = fill(&packet, headerLength, address: source, isOwn: true)
  }

  /// The options that an answer to a packet carries (`ip_options_echo`).
  static func echoedOptions(_ packet: borrowing Packet) -> [UInt8] {
    let headerLength = Int(packet.u8(at: 0) & 15) * 4
    guard headerLength > 20, packet.count >= headerLength else { return [] }
    var options: [UInt8] = []
    let places = recorded(packet, headerLength)
    for kind in [recordRoute, timestamp] {
      guard let at = places.first(where: { packet.u8(at: $0) == kind }) else { continue }
      for offset in 0..<Int(packet.u8(at: at + 1)) { options.append(packet.u8(at: at + offset)) }
    }
    while options.count % 4 != 0 { options.append(0) }
    return options
  }
}
