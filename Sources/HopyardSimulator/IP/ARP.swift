import HopyardWire

/// ARP (RFC 826) as Linux answers, asks and learns (`net/ipv4/arp.c`).
extension IPv4Stack {
  /// Takes an ARP message; the packet's first byte is the message's.
  func receiveARP(_ packet: consuming Packet, on device: NetworkDevice) {
    if device.isNoARP || device.isLoopback || packet.metadata.type == .otherHost
      || packet.metadata.type == .loopback
    {
      return drop(packet, .notForUs, on: device)
    }
    guard let message = packet.withBytes({ try? ARPMessage(parsing: $0) }),
      message.operation == .request || message.operation == .reply
    else { return drop(packet, .malformed, on: device) }
    let target = message.target.rawValue
    let sender = message.sender.rawValue
    if target >> 28 == 0xe || target >> 24 == 127 && !isOn(.routeLocalnet, device) {
      return drop(packet, .martian, on: device)
    }
    if isOn(.dropGratuitousArp, device) && sender == target {
      return drop(packet, .ignored, on: device)
    }
    process(message, type: packet.metadata.type, on: device, journey: packet.metadata.journey)
    drop(packet, .delivered, on: device)
  }

  private func process(
    _ message: ARPMessage,
    type: PacketType,
    on device: NetworkDevice,
    journey: UInt64
  ) {
    let target = message.target.rawValue
    let sender = message.sender.rawValue
    if sender == 0 {
      // Duplicate address detection (RFC 2131): the owner says so.
      if message.operation == .request && devices.isLocalAddress(target)
        && !ignoresARP(sender: sender, target: target, on: device)
      {
        sendARP(
          .reply,
          to: message.senderHardware,
          on: device,
          sender: target,
          target: 0,
          targetHardware: message.senderHardware,
          journey: journey
        )
      }
      return
    }
    if message.operation == .request, let found = routeForARP(target, from: sender, on: device) {
      if found.type == .local {
        var silent = ignoresARP(sender: sender, target: target, on: device)
        if !silent && isOn(.arpFilter, device) {
          silent = !reaches(sender, from: target, by: device)
        }
        if !silent {
          learn(sender, message.senderHardware, on: device)
          sendARP(
            .reply,
            to: message.senderHardware,
            on: device,
            sender: target,
            target: sender,
            targetHardware: message.senderHardware,
            journey: journey
          )
        }
        return
      }
      if device.inet.settings[.forwarding] != 0 && found.type == .unicast
        && answersForOthers(target, out: found.ifindex, on: device)
      {
        learn(sender, message.senderHardware, on: device)
        let delay = device.inet.neighbour.proxyDelay
        if type == .host || delay <= 0 {
          sendARP(
            .reply,
            to: message.senderHardware,
            on: device,
            sender: target,
            target: sender,
            targetHardware: message.senderHardware,
            journey: journey
          )
        } else {
          let wait = Int64(simulation.random.below(UInt64(delay)))
          let number = device.number
          let backlog = host.backlog
          simulation.scheduleKernelTimer(after: wait) { [unowned self] in
            guard let device = backlog.device(number), device.isUp else { return }
            sendARP(
              .reply,
              to: message.senderHardware,
              on: device,
              sender: target,
              target: sender,
              targetHardware: message.senderHardware,
              journey: journey
            )
          }
        }
        return
      }
    }
    update(from: message, type: type, on: device)
  }

  /// Takes what a message says of its sender, if the sender is known or may be learned.
  private func update(from message: ARPMessage, type: PacketType, on device: NetworkDevice) {
    let sender = message.sender.rawValue
    let isReply = message.operation == .reply
    var entry = neighbours.find(sender, on: device.number)
    var isGratuitous = message.sender == message.target
    if isReply && isGratuitous { isGratuitous = message.targetHardware == message.senderHardware }
    if entry == nil && acceptsUnsolicited(sender, on: device) {
      let isUnicast =
        (try? routes.lookup(FlowKey<UInt32>(destination: sender)))
        .map { $0.type == .unicast } ?? false
      if isReply && isUnicast || isGratuitous {
        entry = neighbours.findOrMake(sender, on: device.number)
      }
    }
    guard let entry else { return }
    let isLocked = simulation.now - entry.updated <= device.inet.neighbour.lockTime
    neighbours.update(
      entry,
      linkAddress: message.senderHardware,
      state: isReply && type == .host ? .reachable : .stale,
      !isLocked || isGratuitous ? .override : []
    )
  }

  /// `arp_accept`: 1 learns from anybody, 2 only from the device's own subnets.
  private func acceptsUnsolicited(_ sender: UInt32, on device: NetworkDevice) -> Bool {
    switch maximum(.arpAccept, device) {
    case 1: true
    case 2: device.inet.addresses.contains { $0.subnetContains(sender) }
    default: false
    }
  }

  private func learn(_ address: UInt32, _ mac: MACAddress, on device: NetworkDevice) {
    let entry = neighbours.findOrMake(address, on: device.number)
    neighbours.update(entry, linkAddress: mac, state: .stale, .override)
  }

  /// What the routing tables say of the address that is asked for, seen as a packet's destination.
  private func routeForARP(_ target: UInt32, from sender: UInt32, on device: NetworkDevice)
    -> (type: RouteType, ifindex: Int32)?
  {
    guard
      let found = try? routes.routeInput(
        FlowKey<UInt32>(destination: target, source: sender, inputIfindex: device.ifindex)
      )
    else { return nil }
    return (found.type, found.ifindex)
  }

  /// `arp_ignore`.
  private func ignoresARP(sender: UInt32, target: UInt32, on device: NetworkDevice) -> Bool {
    switch maximum(.arpIgnore, device) {
    case 1:
      return !device.inet.addresses.contains { $0.local == target && $0.scope.rawValue <= 254 }
    case 2:
      return !device.inet.addresses.contains {
        $0.local == target && $0.subnetContains(sender)
      }
    case 3:
      // Addresses of scope host are not told.
      return !devices.all.contains { other in
        other.inet.addresses.contains { $0.local == target && $0.scope.rawValue <= 253 }
      }
    case 8: return true
    default: return false
    }
  }

  /// `arp_filter`: whether the asker would be reached by the device on which it asked.
  private func reaches(_ sender: UInt32, from target: UInt32, by device: NetworkDevice) -> Bool {
    var options = OutputOptions(destination: sender, ipProtocol: .icmp)
    options.source = target
    guard let route = try? routeOutput(options) else { return false }
    return route.device === device
  }

  /// Proxy ARP: for addresses routed elsewhere, for hosts kept apart on one link, for single ones.
  private func answersForOthers(_ target: UInt32, out: Int32, on device: NetworkDevice) -> Bool {
    if out != device.ifindex {
      if isOn(.proxyArp, device) {
        let medium = device.inet.settings[.mediumId]
        if medium == 0 { return true }
        if medium == -1 { return false }
        let other = devices[out]?.inet.settings[.mediumId] ?? -1
        return other != medium && other != -1
      }
      return neighbours.isProxied(target, on: device.number)
    }
    return isOn(.proxyArpPvlan, device)
  }

  /// Sends an ARP message.
  func sendARP(
    _ operation: ARPMessage.Operation,
    to destination: MACAddress,
    on device: NetworkDevice,
    sender: UInt32,
    target: UInt32,
    targetHardware: MACAddress,
    journey: UInt64 = 0,
    senderHardware: MACAddress? = nil
  ) {
    guard !device.isNoARP else { return }
    let message = ARPMessage(
      operation: operation,
      senderHardware: senderHardware ?? device.mac,
      sender: IPv4Address(rawValue: sender),
      targetHardware: targetHardware,
      target: IPv4Address(rawValue: target)
    )
    var packet = simulation.pool.make(count: ARPMessage.length)
    packet.withMutableBytes { message.write(to: $0) }
    packet.metadata.journey = journey != 0 ? journey : simulation.nextJourney()
    packet.metadata.priority = 0
    _ = device.send(packet, to: destination, type: .arp)
  }

  /// Announces the addresses of a device (`inetdev_send_gratuitous_arp`).
  func announceAddresses(of device: NetworkDevice) {
    for address in device.inet.addresses {
      sendARP(
        .request,
        to: .broadcast,
        on: device,
        sender: address.local,
        target: address.local,
        targetHardware: .zero
      )
    }
  }
}

extension IPv4Stack: NeighbourOutput {
  typealias Address = UInt32

  func solicit(_ address: UInt32, on number: UInt32, target: MACAddress?, source: UInt32?) {
    guard let device = host.backlog.device(number), device.host === host else { return }
    var sender: UInt32 = 0
    switch maximum(.arpAnnounce, device) {
    case 0:
      // Any own address that the packet already has.
      if let source, devices.isLocalAddress(source) { sender = source }
    case 1:
      // The packet's address, if it is of the target's subnet.
      if let source, devices.isLocalAddress(source),
        device.inet.addresses.contains(where: {
          $0.local == source && $0.subnetContains(address)
        })
      {
        sender = source
      }
    default: break
    }
    if sender == 0 { sender = selectSource(device, address, .link) }
    sendARP(
      .request,
      to: target ?? device.broadcast,
      on: device,
      sender: sender,
      target: address,
      targetHardware: .zero
    )
  }

  func transmit(_ packet: consuming Packet, to target: MACAddress, on number: UInt32) {
    guard let device = host.backlog.device(number), device.host === host else { return }
    lastTransmitResult = device.send(packet, to: target)
  }

  func neighbourFailed(_ packet: consuming Packet, on number: UInt32) {
    let device = host.backlog.device(number)
    if device?.host === host {
      let input = host.backlog.device(packet.metadata.inputDevice)
      sendICMPError(
        about: packet,
        type: .destinationUnreachable,
        code: ICMPv4Header.Unreachable.host,
        received: packet.metadata.flags.contains(.forwarded) ? input : nil,
        isLeaving: true
      )
    }
    drop(packet, .neighbourFailed, on: device)
  }

  func neighbourQueueOverflow(_ packet: consuming Packet, on number: UInt32) {
    drop(packet, .neighbourQueueFull, on: host.backlog.device(number))
  }

  func neighbourParameters(of number: UInt32) -> NeighbourParameters {
    host.backlog.device(number)?.inet.neighbour ?? defaultNeighbour
  }

  func neighbourChanged(_ address: UInt32, on number: UInt32) {}

  /// Fills in a new entry whose address needs no question (`arp_constructor`).
  func construct(_ entry: Neighbour<UInt32>, _ route: RouteDecision) {
    let device = route.device
    if !device.isEthernet && !device.isLoopback {
      entry.state = .noARP
    } else if entry.address >> 28 == 0xe {
      entry.state = .noARP
      entry.linkAddress = MACAddress(
        rawValue: 0x0100_5e00_0000 | UInt64(entry.address & 0x7f_ffff)
      )
    } else if device.isNoARP || device.isLoopback {
      entry.state = .noARP
      entry.linkAddress = device.mac
    } else if route.type == .broadcast || entry.address == 0xffff_ffff {
      entry.state = .noARP
      entry.linkAddress = device.broadcast
    }
  }
}
