import HopyardWire

/// Multicast groups and IGMP version 3 (RFC 3376) as a host speaks it.
extension IPv4Stack {
  /// The reports of one change: the robustness variable's default.
  private static var robustness: Int { 2 }

  /// Joins a group on a device; the first join is reported.
  func join(_ group: IPv4Address, on device: NetworkDevice) {
    if let index = device.inet.groups.firstIndex(where: { $0.group == group }) {
      device.inet.groups[index].users += 1
      return
    }
    device.inet.groups.append(MulticastMembership(group: group, users: 1))
    device.addMulticastFilter(Self.linkAddress(of: group))
    if device.isUp { reportChange(.toExclude, group, on: device) }
  }

  /// Leaves a group on a device; the last leave is reported.
  func leave(_ group: IPv4Address, on device: NetworkDevice) {
    guard let index = device.inet.groups.firstIndex(where: { $0.group == group }) else { return }
    device.inet.groups[index].users -= 1
    guard device.inet.groups[index].users <= 0 else { return }
    device.inet.groups.remove(at: index)
    device.removeMulticastFilter(Self.linkAddress(of: group))
    if device.isUp { reportChange(.toInclude, group, on: device) }
  }

  /// The Ethernet address of a group (RFC 1112 §6.4).
  static func linkAddress(of group: IPv4Address) -> MACAddress {
    MACAddress(rawValue: 0x0100_5e00_0000 | UInt64(group.rawValue & 0x7f_ffff))
  }

  /// Groups of the device that were joined while it was down are reported when it comes up.
  func reportGroups(on device: NetworkDevice) {
    for membership in device.inet.groups {
      reportChange(.toExclude, membership.group, on: device)
    }
  }

  private func isReported(_ group: IPv4Address) -> Bool {
    if group.rawValue == 0xe000_0001 { return false }
    if group.rawValue >> 8 == 0xe0_0000 { return settings.reportLinkLocalGroups != 0 }
    return true
  }

  private func reportChange(
    _ kind: IGMPMessage.GroupRecord.Kind,
    _ group: IPv4Address,
    on device: NetworkDevice
  ) {
    guard isReported(group), !device.isLoopback else { return }
    var delay: Int64 = .milliseconds(8)
    for _ in 0..<Self.robustness {
      scheduleReport(kind, group, on: device, after: delay)
      let interval = Int64(device.inet.settings[.igmpv3UnsolicitedReportInterval])
      delay += Int64(simulation.random.below(UInt64(max(interval, 1)))) * 1_000_000
    }
  }

  private func scheduleReport(
    _ kind: IGMPMessage.GroupRecord.Kind,
    _ group: IPv4Address,
    on device: NetworkDevice,
    after delay: Int64
  ) {
    let number = device.number
    let backlog = host.backlog
    simulation.scheduleKernelTimer(after: delay) { [unowned self] in
      guard let device = backlog.device(number), device.isUp, device.host === host else { return }
      let isMember = device.inet.groups.contains { $0.group == group }
      guard isMember == (kind != .toInclude) else { return }
      sendReport(kind, group, on: device)
    }
  }

  private func sendReport(
    _ kind: IGMPMessage.GroupRecord.Kind,
    _ group: IPv4Address,
    on device: NetworkDevice
  ) {
    let message = IGMPMessage.reportV3([IGMPMessage.GroupRecord(kind, group: group)])
    var packet = simulation.pool.make(count: message.encodedLength)
    packet.withMutableBytes { message.write(to: $0) }
    var options = OutputOptions(destination: 0xe000_0016, ipProtocol: .igmp)
    options.tos = 0xc0
    options.ttl = 1
    options.dontFragment = true
    options.options = [0x94, 4, 0, 0]
    options.outputIfindex = device.ifindex
    options.loopsMulticast = false
    guard let route = try? routeOutput(options) else { return }
    try? send(payload: packet, options, route: route)
  }

  /// Takes an IGMP message: queries are answered after a random time.
  func receiveIGMP(_ packet: consuming Packet, on device: NetworkDevice, headerLength: Int) {
    guard packet.count >= headerLength + 8, packet.u8(at: headerLength) == 0x11 else {
      return drop(packet, .delivered, on: device)
    }
    let asked = packet.ipv4(at: headerLength + 4)
    let code = Int64(packet.u8(at: headerLength + 1))
    // RFC 3376 §4.1.1: in tenths of a second; from 128 on a small floating-point number.
    let tenths = code < 128 ? code : (code & 15 | 16) << ((code >> 4 & 7) + 3)
    for membership in device.inet.groups
    where asked == .any || asked == membership.group {
      guard isReported(membership.group) else { continue }
      let delay = Int64(simulation.random.below(UInt64(max(tenths, 1)) * 100_000_000))
      scheduleReport(.isExclude, membership.group, on: device, after: delay)
    }
    drop(packet, .delivered, on: device)
  }
}

extension NetworkDevice {
  func addMulticastFilter(_ address: MACAddress) { multicastFilter[address, default: 0] += 1 }

  func removeMulticastFilter(_ address: MACAddress) {
    let left = (multicastFilter[address] ?? 1) - 1
    multicastFilter[address] = left > 0 ? left : nil
  }
}
