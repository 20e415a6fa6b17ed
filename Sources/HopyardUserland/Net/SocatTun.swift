import HopyardSimulator
import HopyardWire

/// A TUN device that `socat` relays: each piece is an IP packet.
final class TunChannel: Channel {
  private let device: TunDevice
  private let namespace: NetworkNamespace
  /// Whether four bytes with the protocol stand before each packet.
  private let hasHeader: Bool
  private var isOpen = true

  init(_ device: TunDevice, _ namespace: NetworkNamespace, hasHeader: Bool) {
    self.device = device
    self.namespace = namespace
    self.hasHeader = hasHeader
  }

  override var input: WaitQueue? { device.readable }
  override var isDatagram: Bool { true }

  override func receive(_ limit: Int) -> ChannelInput {
    guard let packet = device.take() else { return .nothing }
    return .data(Array(((hasHeader ? [0, 0, 8, 0] : []) + packet).prefix(limit)))
  }

  override func send(_ bytes: [UInt8]) throws(SocketError) -> Int {
    guard device.write(hasHeader ? Array(bytes.dropFirst(4)) : bytes) else {
      throw device.isUp ? .invalidArgument : .networkDown
    }
    return bytes.count
  }

  override func close() {
    guard isOpen else { return }
    isOpen = false
    try? namespace.removeLink(device)
  }
}

extension SocatOpener {
  /// `TUN[:ADDRESS/BITS]`: makes the device, gives it the address and sets it up where asked.
  func openTun() async throws(ProcessExit) -> Channel {
    let descriptor = takeDescriptor()
    let device: TunDevice
    do throws(LinkError) {
      device = try namespace.makeTun(NewLink(address.value("tun-name")))
    } catch {
      throw try await run.fail(
        "ioctl(\(descriptor), TUNSETIFF, {\"\(address.value("tun-name") ?? "")\"}: "
          + "Device or resource busy"
      )
    }
    let channel = TunChannel(device, namespace, hasHeader: !address.has("no-pi"))
    channel.descriptors = (descriptor, descriptor)
    if let text = address.parameters.first, !text.isEmpty {
      let parts = text.split(separator: "/", maxSplits: 1).map(String.init)
      guard let local = parts.first.flatMap({ IPv4Address($0) }),
        let length = parts.count > 1 ? Int(parts[1]) : 32, (0...32).contains(length)
      else {
        channel.close()
        throw try await run.fail("Ipv4Parse: invalid address \"\(text)\"")
      }
      var assigned = InterfaceAddress<UInt32>(local: local.rawValue, prefixLength: length)
      assigned.label = device.name
      do {
        try namespace.addLinkAddress(assigned, to: device, replacing: false)
      } catch {
        channel.close()
        throw try await run.fail("ioctl(\(descriptor), SIOCSIFADDR, {\"\(device.name)\"}: \(error)")
      }
    }
    if address.has("up") {
      do {
        try namespace.setLinkUp(device)
      } catch {
        channel.close()
        throw try await run.fail("ioctl(\(descriptor), SIOCSIFFLAGS): \(error)")
      }
    }
    return channel
  }
}
