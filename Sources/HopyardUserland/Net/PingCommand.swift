import HopyardServices
import HopyardSimulator
import HopyardWire

/// `ping`, as iputils has it.
enum PingCommand {
  static let command = Command("ping", options: PingOptions.specification) {
    process,
    arguments async throws(ProcessExit) in
    try await run(process, arguments)
  }

  private static func fail(_ process: Process, _ message: String, _ status: Int32 = 2)
    async throws(ProcessExit) -> ProcessExit
  {
    try await process.printError("ping: \(message)\n")
    return .status(status)
  }

  private static func run(_ process: Process, _ arguments: [String]) async throws(ProcessExit)
    -> Int32
  {
    let parsed = try await process.options(
      PingOptions.specification,
      arguments,
      usage: PingOptions.usage,
      status: 2
    )
    if parsed.has("V") {
      try await process.print(
        "ping from iputils 20221126\n"
          + "libcap: yes, IDN: yes, NLS: no, error.h: yes, getrandom(): yes, __fpending(): yes\n"
      )
      return 0
    }
    if parsed.has("h") {
      try await process.printError(PingOptions.usage)
      return 2
    }
    var options: PingOptions
    do {
      options = try PingOptions(parsed)
    } catch {
      throw try await fail(process, error.message, error.status)
    }
    guard let host = parsed.operands.last else {
      throw try await fail(process, "usage error: Destination address required", 1)
    }
    if parsed.operands.count > 1 {
      guard options.timestamps == 3 else {
        throw .refused("ping: a route of several hosts is not modelled")
      }
      guard parsed.operands.count <= 5 else {
        throw try await fail(process, "too many intermediate hops")
      }
      for host in parsed.operands.dropLast() {
        guard let address = process.resolve(host) else {
          throw try await fail(process, "\(host): Name or service not known")
        }
        options.route.append(address)
      }
    }
    if host.contains(":") { throw .refused("ping: IPv6 is not modelled") }
    options.host = host
    switch try await process.addresses(of: host) {
    case .failure(let error): throw try await fail(process, "\(host): \(error.text)")
    case .success(let found):
      guard let destination = found.addresses.lazy.compactMap(\.v4).first else {
        throw .refused("ping: IPv6 is not modelled")
      }
      options.destination = destination
      if !found.isFromFile { options.host = found.canonicalName }
    }
    if IPv4Address.inetAton(host) != nil { options.isNumeric = true }
    if !options.pattern.isEmpty {
      let digits = options.pattern.map { DecimalText.hexadecimal(UInt64($0), 2) }.joined()
      try await process.print("PATTERN: 0x\(digits)\n")
    }
    return try await ping(process, options)
  }

  /// Prepares the socket and the source address, and pings.
  private static func ping(_ process: Process, _ given: PingOptions) async throws(ProcessExit)
    -> Int32
  {
    var options = given
    let namespace = process.namespace
    let socket = namespace.sockets.makeRaw(.icmp)
    defer { socket.close() }
    process.own(socket)
    socket.options.mark = options.mark ?? 0
    socket.options.tos = options.tos
    if options.isVerbose {
      try await process.printError(
        "ping: sock4.fd: 3 (socktype: SOCK_RAW), sock6.fd: 4 (socktype: SOCK_RAW), "
          + "hints.ai_family: AF_UNSPEC\n\n"
      )
      try await process.print(
        "ai->ai_family: AF_INET, ai->ai_canonname: '\(options.host)'\n"
      )
    }
    var ifindex: Int32 = 0
    if let name = options.device {
      guard let device = namespace.devices[name] else {
        throw try await fail(process, "SO_BINDTODEVICE \(name): No such device")
      }
      ifindex = device.ifindex
      // Answers may come by another device.
      socket.options.outputIfindex = ifindex
    }
    var source = options.source ?? .any
    if source == .any {
      source = try await probe(process, &options, ifindex)
      if options.device != nil, let device = namespace.devices[ifindex],
        !device.inet.addresses.contains(where: { $0.local == source.rawValue })
      {
        try await process.printError(
          "ping: Warning: source address might be selected on device other than: \(device.name)\n"
        )
      }
    }
    if options.destination == .any { options.destination = source }
    let isMulticast = options.pingsBroadcast || options.destination.isMulticast
    if isMulticast, options.pathMTUDiscovery == nil { options.pathMTUDiscovery = .do }
    socket.options.pathMTUDiscovery = options.pathMTUDiscovery
    if options.source != nil || options.keepsSource {
      do {
        try socket.bind(address: source)
      } catch {
        throw try await fail(process, "bind: \(error.text)")
      }
    }
    // Only replies, redirects and errors are wanted.
    socket.icmpFilter = ~(1 << 4 | 1 << 3 | 1 << 11 | 1 << 12 | 1 << 5 | 1 << 0)
    socket.options.receivesErrors = true
    socket.options.allowsBroadcast = options.pingsBroadcast
    socket.options.loopsMulticast = options.loopsMulticast
    socket.options.isOnLinkOnly = options.isOnLinkOnly
    socket.options.ipOptions = options.ipOptions
    if let ttl = options.ttl {
      guard ttl > 0 else {
        throw try await fail(process, "cannot set unicast time-to-live: Invalid argument")
      }
      socket.options.ttl = ttl
      socket.options.multicastTTL = ttl
    }
    if options.size > 65_535 - 28 + 8 + 20 {
      throw .refused("ping: a size of more than 65535 is not modelled")
    }
    var line = "PING \(options.host) (\(options.destination)) "
    if options.device != nil || options.source != nil || options.keepsSource {
      line += "from \(source) \(options.device ?? ""): "
    }
    line += "\(options.size)(\(options.size + 28 + options.ipOptions.count)) bytes of data.\n"
    try await process.print(line)
    let pinger = Pinger(process, socket, options, isMulticast: isMulticast)
    return try await pinger.run()
  }

  /// Finds the source address, and whether the destination is a broadcast, by connecting a datagram
  /// socket that sends nothing.
  private static func probe(_ process: Process, _ options: inout PingOptions, _ ifindex: Int32)
    async throws(ProcessExit) -> IPv4Address
  {
    let probe = process.namespace.sockets.makeUDP()
    defer { probe.close() }
    process.own(probe, descriptor: 5)
    probe.options.boundIfindex = ifindex
    probe.options.tos = options.tos
    probe.options.mark = options.mark ?? 0
    do {
      try probe.connect(to: options.destination, port: 1025)
    } catch {
      guard error == .accessDenied else {
        throw try await fail(process, "connect: \(error.text)")
      }
      guard options.pingsBroadcast else {
        throw try await fail(
          process,
          "Do you want to ping broadcast? Then -b. If not, check your local firewall rules"
        )
      }
      try await process.printError("WARNING: pinging broadcast address\n")
      probe.options.allowsBroadcast = true
      do {
        try probe.connect(to: options.destination, port: 1025)
      } catch {
        throw try await fail(process, "connect: \(error.text)")
      }
    }
    return probe.localAddress
  }
}
