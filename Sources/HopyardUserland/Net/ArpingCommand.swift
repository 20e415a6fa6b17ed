import HopyardServices
import HopyardSimulator
import HopyardWire

/// `arping`, as iputils has it.
enum ArpingCommand {
  static let specification = OptionSpecification("AbDUfhqVc:w:i:I:s:")

  static let command = Command("arping", options: specification) {
    process,
    arguments async throws(ProcessExit) in
    try await run(process, arguments)
  }

  private static let usage = """

    Usage:
      arping [options] <destination>

    Options:
      -f            quit on first reply
      -q            be quiet
      -b            keep on broadcasting, do not unicast
      -D            duplicate address detection mode
      -U            unsolicited ARP mode, update your neighbours
      -A            ARP answer mode, update your neighbours
      -V            print version and exit
      -c <count>    how many packets to send
      -w <timeout>  how long to wait for a reply
      -i <interval> set interval between packets (default: 1 second)
      -I <device>   which ethernet device to use
      -s <source>   source ip address
      <destination> dns name or ip address

    For more details see arping(8).

    """

  private static func fail(_ process: Process, _ message: String, _ status: Int32 = 2)
    async throws(ProcessExit) -> ProcessExit
  {
    try await process.printError("arping: \(message)\n")
    return .status(status)
  }

  private static func number(
    _ process: Process,
    _ text: String?,
    _ range: ClosedRange<Int>
  ) async throws(ProcessExit) -> Int? {
    guard let text else { return nil }
    guard let value = Int(text) else {
      throw try await fail(process, "invalid argument: '\(text)'", 1)
    }
    guard range.contains(value) else {
      throw try await fail(
        process,
        "invalid argument: '\(text)': out of range: \(range.lowerBound) <= value <= "
          + "\(range.upperBound)",
        1
      )
    }
    return value
  }

  private static func run(_ process: Process, _ arguments: [String]) async throws(ProcessExit)
    -> Int32
  {
    let parsed = try await process.options(specification, arguments, usage: usage, status: 2)
    if parsed.has("V") {
      try await process.print("arping from iputils 20221126\n")
      return 0
    }
    guard !parsed.has("h"), parsed.operands.count == 1 else {
      try await process.printError(usage)
      return 2
    }
    let largest = Int(Int32.max)
    var probe = ArpingProbe()
    probe.count = try await number(process, parsed["c"], 1...largest)
    probe.timeout = try await number(process, parsed["w"], 0...largest)
    probe.interval = try await number(process, parsed["i"], 0...largest) ?? 1
    probe.isAnswer = parsed.has("A")
    probe.isUnsolicited = parsed.has("U") || probe.isAnswer
    probe.detectsDuplicates = parsed.has("D")
    probe.endsWithReply = parsed.has("f") || probe.detectsDuplicates
    probe.onlyBroadcasts = parsed.has("b")
    probe.isQuiet = parsed.has("q")
    if let text = parsed["s"] {
      guard let address = IPv4Address.inetAton(text) else {
        throw try await fail(process, "invalid source address: \(text)")
      }
      probe.source = address
    }
    guard let device = try await device(process, parsed["I"], probe.isQuiet) else { return 2 }
    let target: IPv4Address
    switch try await process.address(of: parsed.operands[0], .v4) {
    case .success(let found): target = found
    case .failure(let error):
      // What could only be an address is looked up nowhere.
      let isNumeric = parsed.operands[0].allSatisfy { $0.isNumber || $0 == "." }
      let why = isNumeric ? ResolutionFailure.noName : error
      throw try await fail(process, "\(parsed.operands[0]): \(why.text)")
    }
    probe.target = target
    if probe.source == .any, probe.isUnsolicited { probe.source = target }
    if !probe.detectsDuplicates || probe.source != .any {
      probe.source = try await source(process, probe, device)
    }
    return try await Arping(process, probe, device).run()
  }

  private static func device(_ process: Process, _ name: String?, _ isQuiet: Bool)
    async throws(ProcessExit) -> NetworkDevice?
  {
    let devices: DeviceTable = process.namespace.devices
    guard let name else {
      let candidate = devices.all.first {
        $0.isUp && $0.isEthernet && !$0.isLoopback && !$0.isNoARP
      }
      guard let candidate else {
        throw try await fail(
          process,
          "Suitable device could not be determined. Please, use option -I."
        )
      }
      return candidate
    }
    guard let device = devices[name] else {
      throw try await fail(process, "Device \(name) not available.")
    }
    guard device.isUp else {
      if !isQuiet { try await process.print("Interface \"\(name)\" is down\n") }
      return nil
    }
    guard device.isEthernet, !device.isLoopback, !device.isNoARP else {
      if !isQuiet { try await process.print("Interface \"\(name)\" is not ARPable\n") }
      return nil
    }
    return device
  }

  /// Checks the source address, or finds it by connecting a socket that sends nothing.
  private static func source(_ process: Process, _ probe: ArpingProbe, _ device: NetworkDevice)
    async throws(ProcessExit) -> IPv4Address
  {
    let socket = process.namespace.sockets.makeUDP()
    defer { socket.close() }
    process.own(socket)
    socket.options.boundIfindex = device.ifindex
    if probe.source != .any {
      do {
        try socket.bind(address: probe.source, port: 0)
      } catch {
        throw try await fail(process, "bind: \(error.text)")
      }
      return probe.source
    }
    socket.options.isOnLinkOnly = true
    socket.options.allowsBroadcast = true
    do {
      try socket.connect(to: probe.target, port: 1025)
    } catch {
      throw try await fail(process, "connect: \(error.text)")
    }
    return socket.localAddress
  }
}

/// What `arping` asks, and how.
struct ArpingProbe {
  var target = IPv4Address.any
  var source = IPv4Address.any
  var count: Int?
  var timeout: Int?
  var interval = 1
  var isAnswer = false
  var isUnsolicited = false
  var detectsDuplicates = false
  var endsWithReply = false
  var onlyBroadcasts = false
  var isQuiet = false
}

/// The loop of `arping`.
private final class Arping {
  private let process: Process
  private let probe: ArpingProbe
  private let device: NetworkDevice
  private let mac: MACAddress
  private var peer = MACAddress.broadcast
  private var lastSent = Instant.zero
  private var sent = 0
  private var broadcasts = 0
  private var received = 0
  private var broadcastsReceived = 0
  private var requestsReceived = 0

  init(_ process: Process, _ probe: ArpingProbe, _ device: NetworkDevice) {
    self.process = process
    self.probe = probe
    self.device = device
    mac = device.mac
  }

  func run() async throws(ProcessExit) -> Int32 {
    let socket = process.namespace.sockets.makePacket(etherType: .arp, cooked: true)
    defer { socket.close() }
    process.own(socket)
    do {
      try socket.bind(ifindex: device.ifindex)
    } catch {
      try await process.printError("arping: bind: \(error.text)\n")
      return 2
    }
    process.handledSignals = [.interrupt, .quit]
    if !probe.isQuiet {
      try await process.print("ARPING \(probe.target) from \(probe.source) \(device.name)\n")
    }
    let begin = process.simulation.now
    let end = (probe.timeout ?? 0) > 0 ? begin + .seconds(Int64(probe.timeout ?? 0)) : nil
    var next = begin + .seconds(Int64(max(probe.interval, 1)))
    var expirations = 1
    send(socket)
    loop: while true {
      let deadline = end.map { min($0, next) } ?? next
      if socket.hasData {
        if let datagram = socket.receive(), try await take(datagram) { break }
        continue
      }
      if process.simulation.now >= deadline {
        if let end, process.simulation.now >= end { break }
        expirations += 1
        if let count = probe.count, count < expirations { break }
        send(socket)
        next = next + .seconds(Int64(max(probe.interval, 1)))
        continue
      }
      if case .interrupted = try await process.wait(on: [socket.readable], until: deadline) {
        break loop
      }
    }
    return try await finish()
  }

  private func send(_ socket: PacketSocket) {
    let message = ARPMessage(
      operation: probe.isAnswer ? .reply : .request,
      senderHardware: mac,
      sender: probe.source,
      targetHardware: probe.isAnswer ? mac : peer,
      target: probe.target
    )
    guard (try? socket.send(message.encoded(), to: peer, etherType: .arp)) != nil else { return }
    lastSent = process.simulation.now
    sent += 1
    if peer == .broadcast { broadcasts += 1 }
  }

  /// Looks at a message; true when it was the last to wait for.
  private func take(_ datagram: Datagram) async throws(ProcessExit) -> Bool {
    guard [.host, .broadcast, .multicast].contains(datagram.packetType),
      let message = try? ARPMessage(parsing: datagram.bytes),
      message.operation == .request || message.operation == .reply,
      message.sender == probe.target
    else { return false }
    if probe.detectsDuplicates {
      if message.senderHardware == mac { return false }
      if probe.source != .any, message.target != probe.source { return false }
    } else {
      guard message.target == probe.source, message.targetHardware == mac else { return false }
    }
    if !probe.isQuiet {
      var text = datagram.packetType == .host ? "Unicast " : "Broadcast "
      text += message.operation == .reply ? "reply" : "request"
      text += " from \(message.sender) [\(message.senderHardware.description.uppercased())] "
      var saysFor = false
      if message.target != probe.source {
        text += "for \(message.target) "
        saysFor = true
      }
      if message.targetHardware != mac {
        text += (saysFor ? "" : "for ") + "[\(message.targetHardware.description.uppercased())]"
      }
      let elapsed = (process.simulation.now - lastSent) / 1000
      text += " \(DecimalText.thousandths(elapsed))ms\n"
      try await process.print(text)
    }
    received += 1
    if (probe.timeout ?? 0) > 0, received == probe.count || probe.endsWithReply { return true }
    if datagram.packetType != .host { broadcastsReceived += 1 }
    if message.operation == .request { requestsReceived += 1 }
    if probe.endsWithReply { return true }
    if !probe.onlyBroadcasts { peer = message.senderHardware }
    return false
  }

  private func finish() async throws(ProcessExit) -> Int32 {
    if !probe.isQuiet {
      var text = "Sent \(sent) probes (\(broadcasts) broadcast(s))\n"
      text += "Received \(received) response(s)"
      if broadcastsReceived > 0 || requestsReceived > 0 {
        var parts: [String] = []
        if requestsReceived > 0 { parts.append("\(requestsReceived) request(s)") }
        if broadcastsReceived > 0 { parts.append("\(broadcastsReceived) broadcast(s)") }
        text += " (" + parts.joined(separator: ", ") + ")"
      }
      try await process.print(text + "\n")
    }
    if probe.detectsDuplicates { return received > 0 ? 1 : 0 }
    if probe.isUnsolicited { return 0 }
    return received > 0 ? 0 : 1
  }
}
