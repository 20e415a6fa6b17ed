import HopyardWire

/// What a bridge learns of IPv4 multicast groups by listening to IGMP.
///
/// Without a querier on the segment the groups are noted and listed, but frames are flooded to all
/// ports.
public final class MulticastSnooping {
  /// A port, or the bridge itself, with a member of a group.
  public final class Member {
    /// The group.
    public let group: IPv4Address
    /// The VLAN, or 0.
    public let vlan: UInt16
    /// The port; nil for the bridge itself.
    public let port: BridgePort?
    /// It does not end (`bridge mdb add … permanent`).
    public internal(set) var isPermanent: Bool
    /// When the membership ends.
    public internal(set) var expires: Instant

    init(
      group: IPv4Address,
      vlan: UInt16,
      port: BridgePort?,
      isPermanent: Bool,
      expires: Instant
    ) {
      self.group = group
      self.vlan = vlan
      self.port = port
      self.isPermanent = isPermanent
      self.expires = expires
    }
  }

  /// `mcast_snooping`.
  @exclusivity(unchecked) public internal(set) var isEnabled = true
  /// `mcast_querier`.
  public internal(set) var isQuerier = false
  /// The members, newest first.
  @exclusivity(unchecked) private(set) var members: [Member] = []
  private var otherQuerierUntil = Instant.zero
  private let membershipInterval = Int64.seconds(260)
  private let querierInterval = Int64.seconds(255)

  init() {}

  /// Whether anybody asks for members, so that their answers can be relied upon.
  private func querierExists(_ now: Instant) -> Bool { isQuerier || otherQuerierUntil > now }

  /// The members that have not ended, newest first.
  func current(_ now: Instant) -> [Member] {
    members.removeAll { !$0.isPermanent && $0.expires <= now }
    return members
  }

  /// Forgets the learned members of a port.
  func forget(_ port: BridgePort) {
    members.removeAll { $0.port === port && !$0.isPermanent }
    port.routerUntil = .zero
  }

  /// Forgets all that was learned, as the bridge is set down or snooping is switched off.
  func close() {
    members.removeAll { !$0.isPermanent }
    otherQuerierUntil = .zero
  }

  /// Switches snooping on or off.
  func setEnabled(_ enabled: Bool) {
    isEnabled = enabled
    if !enabled { members = [] }
  }

  func add(_ member: Member) { members.insert(member, at: 0) }

  func remove(_ member: Member) { members.removeAll { $0 === member } }

  func find(_ group: IPv4Address, vlan: UInt16, port: BridgePort?, now: Instant) -> Member? {
    current(now).first { $0.group == group && $0.vlan == vlan && $0.port === port }
  }

  // MARK: Listening

  /// Learns from a multicast frame; `port` is nil for one of the host's own.
  @inline(__always)
  func receive(
    _ packet: borrowing Packet,
    from port: BridgePort?,
    vlan: UInt16,
    on bridge: BridgeDevice
  ) {
    guard isEnabled, packet.metadata.etherType == .ipv4, packet.count >= 14 + 20 + 8,
      packet.u8(at: 14 + 9) == 2
    else { return }
    learn(packet, from: port, vlan: vlan, on: bridge)
  }

  private func learn(
    _ packet: borrowing Packet,
    from port: BridgePort?,
    vlan: UInt16,
    on bridge: BridgeDevice
  ) {
    let header = Int(packet.u8(at: 14) & 0xf) * 4
    let start = 14 + header
    guard header >= 20, packet.count >= start + 8 else { return }
    let now = bridge.simulation.now
    switch packet.u8(at: start) {
    case 0x11:
      otherQuerierUntil = now + querierInterval
      if let port, packet.ipv4(at: 14 + 12) != .any { port.routerUntil = now + querierInterval }
    case 0x12, 0x16: join(packet.ipv4(at: start + 4), port, vlan, now)
    case 0x17: leave(packet.ipv4(at: start + 4), port, vlan, now)
    case 0x22:
      var offset = start + 8
      for _ in 0..<Int(packet.u16(at: start + 6)) {
        guard packet.count >= offset + 8 else { return }
        let type = packet.u8(at: offset)
        let sources = Int(packet.u16(at: offset + 2))
        let group = packet.ipv4(at: offset + 4)
        offset += 8 + sources * 4 + Int(packet.u8(at: offset + 1)) * 4
        switch type {
        case 1, 3:
          // An empty include list is a leave.
          if sources == 0 { leave(group, port, vlan, now) } else { join(group, port, vlan, now) }
        case 2, 4, 5: join(group, port, vlan, now)
        default: break
        }
      }
    default: break
    }
  }

  private func join(_ group: IPv4Address, _ port: BridgePort?, _ vlan: UInt16, _ now: Instant) {
    // 224.0.0.0/24 is always flooded.
    guard group.isMulticast, group.rawValue & 0xffff_ff00 != 0xe000_0000 else { return }
    if let known = find(group, vlan: vlan, port: port, now: now) {
      known.expires = now + membershipInterval
    } else {
      add(
        Member(
          group: group,
          vlan: vlan,
          port: port,
          isPermanent: false,
          expires: now + membershipInterval
        )
      )
    }
  }

  private func leave(_ group: IPv4Address, _ port: BridgePort?, _ vlan: UInt16, _ now: Instant) {
    guard let known = find(group, vlan: vlan, port: port, now: now), !known.isPermanent else {
      return
    }
    if port?.flags.contains(.fastLeave) ?? false {
      remove(known)
    } else {
      // Two questions to the last member, a second each.
      known.expires = min(known.expires, now + .seconds(2))
    }
  }

  // MARK: Forwarding

  /// Who wants a multicast frame.
  struct Receivers {
    var ports: [BridgePort]
    var includesHost: Bool
  }

  /// The ports that want a frame, newest first; nil if it is flooded.
  @inline(__always)
  func receivers(
    _ packet: borrowing Packet,
    vlan: UInt16,
    on bridge: BridgeDevice
  ) -> Receivers? {
    guard isEnabled, querierExists(bridge.simulation.now) else { return nil }
    return knownReceivers(packet, vlan: vlan, on: bridge)
  }

  private func knownReceivers(
    _ packet: borrowing Packet,
    vlan: UInt16,
    on bridge: BridgeDevice
  ) -> Receivers? {
    guard packet.metadata.etherType == .ipv4, packet.count >= 14 + 20 else { return nil }
    let group = packet.ipv4(at: 14 + 16)
    guard group.rawValue & 0xffff_ff00 != 0xe000_0000, packet.u8(at: 14 + 9) != 2 else {
      return nil
    }
    let now = bridge.simulation.now
    let interested = current(now).filter { $0.group == group && $0.vlan == vlan }
    let ports = bridge.ports.filter { port in
      port.multicastRouter == 2 || (port.multicastRouter != 0 && port.routerUntil > now)
        || interested.contains { $0.port === port }
    }
    return Receivers(ports: ports, includesHost: interested.contains { $0.port == nil })
  }
}
