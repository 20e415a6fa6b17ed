import HopyardServices
import HopyardSimulator
import HopyardWire

/// The socket addresses of `socat`.
extension SocatOpener {
  /// The address of a host parameter.
  func host(_ text: String) async throws(ProcessExit) -> IPv4Address {
    let isIPv4 = address.type.contains("4")
    switch try await process.address(of: text, isIPv4 ? .v4 : .any) {
    case .success(let found): return found
    case .failure(let error):
      let kind: String =
        switch address.kind {
        case .tcpConnect, .tcpListen, .proxy, .socks4: "1,6"
        case .ipSendTo, .ipDatagram, .ipReceive, .ipReceiveFrom: "3,0"
        default: "2,17"
        }
      throw try await run.fail(
        "getaddrinfo(\"\(text)\", \"NULL\", {1,\(isIPv4 ? 2 : 0),\(kind)}, {}): \(error.text)"
      )
    }
  }

  func port(_ text: String) async throws(ProcessExit) -> UInt16 {
    if let number = Int(text), number >= 0 { return UInt16(truncatingIfNeeded: number) }
    guard let port = ServiceNames.port(text) else {
      throw try await run.fail(
        "getaddrinfo(\"\", \"\(text)\", {1,2,2,0}, {}): Servname not supported for ai_socktype"
      )
    }
    return port
  }

  func number(_ name: String, _ range: ClosedRange<Int>) async throws(ProcessExit) -> Int? {
    guard address.options.contains(where: { $0.name == name }) else { return nil }
    guard let text = address.value(name),
      let number = text.hasPrefix("0x") ? Int(text.dropFirst(2), radix: 16) : Int(text),
      range.contains(number)
    else {
      let value = address.value(name).map { "=" + $0 } ?? ""
      throw try await run.fail(
        "parseopts(): missing numerical value of option \"\(name)\(value)\""
      )
    }
    return number
  }

  /// Sets the options that all sockets take.
  func prepare(_ socket: Socket, descriptor: Int) async throws(ProcessExit) {
    process.own(socket, descriptor: descriptor)
    if address.has("reuseaddr") { socket.options.reusesAddress = true }
    if address.has("reuseport") { socket.options.reusesPort = true }
    if address.has("broadcast") { socket.options.allowsBroadcast = true }
    if address.has("transparent") { socket.options.isTransparent = true }
    if let name = address.value("bindtodevice") {
      guard let device = namespace.devices[name] else {
        throw try await run.fail(
          "setsockopt(\(descriptor), 1, 25, \"\(name)\", \(name.utf8.count + 1)): No such device"
        )
      }
      socket.options.boundIfindex = device.ifindex
    }
    if let ttl = try await number("ttl", -1...1_000_000) {
      guard (1...255).contains(ttl) else {
        throw try await run.fail("setsockopt(\(descriptor), 0, 2, {\(ttl)}, 4): Invalid argument")
      }
      socket.options.ttl = UInt8(ttl)
    }
    if let tos = try await number("tos", 0...255) { socket.options.tos = UInt8(tos) }
    if let value = try await number("mtudiscover", 0...5) {
      socket.options.pathMTUDiscovery = PathMTUDiscovery(rawValue: Int32(value))
    }
    if let ttl = try await number("multicast-ttl", 0...255) {
      socket.options.multicastTTL = UInt8(ttl)
    }
    if let loops = try await number("multicast-loop", 0...1) {
      socket.options.loopsMulticast = loops != 0
    }
    if let size = try await number("rcvbuf", 0...1 << 30) {
      socket.options.receiveBuffer = max(2304, min(size * 2, 8_388_608))
    }
    if let mark = try await number("mark", 0...Int(UInt32.max)) {
      socket.options.mark = UInt32(mark)
    }
    if let socket = socket as? TCPSocket { try await prepareTCP(socket) }
    if let text = address.value("multicast-if") {
      let owner = namespace.devices.all.first { device in
        device.name == text
          || device.inet.addresses.contains {
            IPv4Address(rawValue: $0.local).description == text
          }
      }
      socket.options.multicastIfindex = owner?.ifindex ?? 0
    }
    if address.options.contains(where: { $0.name == "setuid" }) {
      guard let user = address.value("setuid").flatMap({ UInt32($0) }) else {
        throw .refused("socat: setuid wants a number")
      }
      process.uid = user
    }
  }

  /// The local address that `bind` and `sourceport` ask for.
  func localAddress(defaultPort: UInt16? = nil) async throws(ProcessExit) -> (
    address: IPv4Address, port: UInt16
  )? {
    var local: (address: IPv4Address, port: UInt16)?
    if let defaultPort { local = (.any, defaultPort) }
    if let text = address.value("bind") {
      let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
      var found: IPv4Address = .any
      if let first = parts.first, !first.isEmpty { found = try await host(first) }
      var number = local?.port ?? 0
      if parts.count > 1 { number = try await port(parts[1]) }
      local = (found, number)
    }
    if let text = address.options.last(where: { $0.name == "sourceport" }) {
      guard let value = text.value, let number = UInt16(value) else {
        let shown = text.value.map { "=" + $0 } ?? ""
        throw try await run.fail(
          "parseopts(): missing numerical value of option \"sourceport\(shown)\""
        )
      }
      local = (local?.address ?? .any, number)
    }
    return local
  }

  func bindFailure(
    _ descriptor: Int,
    _ local: (address: IPv4Address, port: UInt16),
    _ error: SocketError
  ) async throws(ProcessExit) -> ProcessExit {
    try await run.fail(
      "bind(\(descriptor), {AF=2 \(local.address):\(local.port)}, 16): \(error.text)"
    )
  }

  // MARK: UDP

  /// Makes a UDP socket with the options given, bound where asked.
  private func makeUDP(defaultPort: UInt16?, reusing: Bool = false) async throws(ProcessExit) -> (
    socket: UDPSocket, descriptor: Int
  ) {
    let socket = namespace.sockets.makeUDP()
    let descriptor = takeDescriptor()
    do throws(ProcessExit) {
      try await prepare(socket, descriptor: descriptor)
      if reusing { socket.options.reusesAddress = true }
      if let local = try await localAddress(defaultPort: defaultPort) {
        do {
          try socket.bind(address: local.address, port: local.port)
        } catch {
          throw try await bindFailure(descriptor, local, error)
        }
      }
      for membership in address.values("membership") {
        try await join(socket, descriptor, membership)
      }
    } catch {
      socket.close()
      throw error
    }
    return (socket, descriptor)
  }

  private func join(_ socket: UDPSocket, _ descriptor: Int, _ text: String)
    async throws(ProcessExit)
  {
    let parts = text.split(separator: ":").map(String.init)
    guard parts.count >= 2 else {
      throw try await run.fail("syntax error in option ip-add-membership: missing ':'")
    }
    let group = try await host(parts[0])
    var ifindex: Int32 = 0
    if parts.count > 2, let device = namespace.devices[parts[2]] {
      ifindex = device.ifindex
    } else if let device = namespace.devices[parts[1]] {
      ifindex = device.ifindex
    } else if let number = Int32(parts[1]) {
      ifindex = number
    } else if let address = IPv4Address(parts[1]), address != .any {
      ifindex =
        namespace.devices.all.first {
          $0.inet.addresses.contains { $0.local == address.rawValue }
        }?.ifindex ?? -1
    }
    do {
      try socket.join(group, ifindex: ifindex)
    } catch {
      throw try await run.fail(
        "setsockopt(\(descriptor), 0, 35, {0x\(DecimalText.hexadecimal(UInt64(group.rawValue), 8))},"
          + " 12): \(error.text)"
      )
    }
  }

  private func channel(_ socket: UDPSocket, _ descriptor: Int, closing: (() -> Void)? = nil)
    -> UDPChannel
  {
    let channel = UDPChannel(socket, closing: closing)
    channel.descriptors = (descriptor, descriptor)
    channel.emptyIsEnd = address.has("null-eof")
    channel.endIsEmpty = address.has("shut-null")
    return channel
  }

  func openUDP() async throws(ProcessExit) -> Channel {
    switch address.kind {
    case .udpConnect, .udpSendTo, .udpDatagram:
      let target = try await host(address.parameters[0])
      let targetPort = try await port(address.parameters[1])
      if address.kind == .udpConnect {
        try await run.say("N", "opening connection to AF=2 \(target):\(targetPort)")
      }
      let (socket, descriptor) = try await makeUDP(defaultPort: nil)
      let channel = channel(socket, descriptor)
      if address.kind == .udpConnect {
        do {
          try socket.connect(to: target, port: targetPort)
        } catch {
          socket.close()
          throw try await run.fail(
            "connect(\(descriptor), AF=2 \(target):\(targetPort), 16): \(error.text)"
          )
        }
        try await run.say(
          "N",
          "successfully connected from local address "
            + "AF=2 \(socket.localAddress):\(socket.localPort)"
        )
      } else {
        channel.destination = (target, targetPort)
        channel.takesOnlyDestination = address.kind == .udpSendTo
        try await run.say(
          "N",
          "successfully prepared local socket AF=2 \(socket.localAddress):\(socket.localPort)"
        )
      }
      return channel
    case .udpReceive:
      let (socket, descriptor) = try await makeUDP(
        defaultPort: try await port(address.parameters[0])
      )
      return channel(socket, descriptor)
    case .udpReceiveFrom:
      let (socket, descriptor) = try await makeUDP(
        defaultPort: try await port(address.parameters[0])
      )
      let datagram = try await firstDatagram(socket)
      try await run.say("N", "receiving packet from \(shown(datagram))")
      process.environment.merge(peer(datagram)) { $1 }
      return answering(channel(socket, descriptor), datagram)
    default:
      let (socket, descriptor, datagram) = try await listenUDP()
      process.environment.merge(peer(datagram)) { $1 }
      let channel = channel(socket, descriptor)
      channel.first = nil
      return channel
    }
  }

  private func shown(_ datagram: Datagram) -> String {
    "AF=2 \(datagram.source):\(datagram.sourcePort)"
  }

  private func peer(_ datagram: Datagram) -> [String: String] {
    [
      "SOCAT_PEERADDR": datagram.source.description, "SOCAT_PEERPORT": String(datagram.sourcePort),
      "SOCAT_VERSION": "1.7.4.4",
    ]
  }

  /// A channel that brings one datagram and sends answers to where it came from.
  private func answering(_ channel: UDPChannel, _ datagram: Datagram) -> UDPChannel {
    channel.first = datagram
    channel.endsAfterOne = true
    channel.destination = (datagram.source, datagram.sourcePort)
    return channel
  }

  /// Waits for a datagram and takes it, or leaves it for the next who reads.
  private func firstDatagram(_ socket: UDPSocket, taking: Bool = true) async throws(ProcessExit)
    -> Datagram
  {
    do throws(ProcessExit) {
      try await run.say("N", "receiving on AF=2 \(socket.localAddress):\(socket.localPort)")
      while true {
        _ = socket.takeError()
        if let datagram = taking ? socket.receive() : socket.peek() { return datagram }
        _ = try await process.wait(on: [socket.readable])
      }
    } catch {
      socket.close()
      throw error
    }
  }

  /// Waits for a caller and connects to it.
  private func listenUDP() async throws(ProcessExit) -> (
    socket: UDPSocket, descriptor: Int, datagram: Datagram
  ) {
    let (socket, descriptor) = try await makeUDP(
      defaultPort: try await port(address.parameters[0]),
      reusing: true
    )
    do throws(ProcessExit) {
      try await run.say("N", "listening on UDP AF=2 \(socket.localAddress):\(socket.localPort)")
      while !socket.hasData {
        _ = socket.takeError()
        _ = try await process.wait(on: [socket.readable])
      }
      guard let datagram = socket.peek() else { throw .status(1) }
      try await run.say("N", "accepting UDP connection from \(shown(datagram))")
      do {
        try socket.connect(to: datagram.source, port: datagram.sourcePort)
      } catch {
        throw try await run.fail("connect(\(descriptor), \(shown(datagram)), 16): \(error.text)")
      }
      return (socket, descriptor, datagram)
    } catch {
      socket.close()
      throw error
    }
  }

  func serveReceiveFrom(
    _ body: @escaping (SocatRun, Channel) async throws(ProcessExit) -> Int32
  ) async throws(ProcessExit) {
    let (socket, descriptor) = try await makeUDP(
      defaultPort: try await port(address.parameters[0])
    )
    // Children go on using the socket after the parent is gone.
    let users = SharedSocket(socket)
    defer { users.release() }
    while true {
      let datagram = try await firstDatagram(socket)
      try await run.say("N", "receiving packet from \(shown(datagram))")
      users.retain()
      let channel = channel(socket, descriptor) { users.release() }
      try await fork(
        answering(channel, datagram),
        environment: peer(datagram),
        body
      )
    }
  }

  func serveUDPListen(
    _ body: @escaping (SocatRun, Channel) async throws(ProcessExit) -> Int32
  ) async throws(ProcessExit) {
    while true {
      let (socket, descriptor, datagram) = try await listenUDP()
      run.nextDescriptor = descriptor
      var environment = peer(datagram)
      environment["SOCAT_SOCKADDR"] = socket.localAddress.description
      environment["SOCAT_SOCKPORT"] = String(socket.localPort)
      run.nextDescriptor = descriptor + 1
      try await fork(channel(socket, descriptor), environment: environment, body)
      run.nextDescriptor = descriptor
    }
  }

  // MARK: Raw IP

  func openRaw() async throws(ProcessExit) -> Channel {
    let isSender = address.kind == .ipSendTo || address.kind == .ipDatagram
    let text = address.parameters[isSender ? 1 : 0]
    guard let number = UInt8(text) else {
      throw try await run.fail(
        "getaddrinfo(\"\", \"\(text)\", {1,2,3,0}, {}): Servname not supported for ai_socktype"
      )
    }
    let socket = namespace.sockets.makeRaw(IPProtocol(rawValue: number))
    let descriptor = takeDescriptor()
    let channel = RawChannel(socket)
    channel.descriptors = (descriptor, descriptor)
    do throws(ProcessExit) {
      try await prepare(socket, descriptor: descriptor)
      if let local = try await localAddress() {
        do {
          try socket.bind(address: local.address)
        } catch {
          throw try await bindFailure(descriptor, local, error)
        }
      }
      if isSender {
        channel.destination = try await host(address.parameters[0])
        channel.takesOnlyDestination = address.kind == .ipSendTo
        try await run.say("N", "successfully prepared local socket AF=2 0.0.0.0:\(number)")
      } else if address.kind == .ipReceiveFrom {
        while socket.peek() == nil { _ = try await process.wait(on: [socket.readable]) }
        channel.destination = socket.peek()?.source
        channel.endsAfterOne = true
      }
    } catch {
      socket.close()
      throw error
    }
    return channel
  }
}

/// A socket that several processes use, and that closes with the last of them.
final class SharedSocket {
  private let socket: Socket
  private var users = 1

  init(_ socket: Socket) { self.socket = socket }

  func retain() { users += 1 }

  func release() {
    users -= 1
    if users == 0 { socket.close() }
  }
}
