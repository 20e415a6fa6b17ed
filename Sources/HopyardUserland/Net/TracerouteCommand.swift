import HopyardServices
import HopyardSimulator
import HopyardWire

/// `traceroute` 2.1: by UDP, or by ICMP with `-I`.
enum TracerouteCommand {
  static let specification = OptionSpecification(
    "4IFnf:i:m:N:p:t:w:q:s:e",
    long: [
      "icmp=I", "first:=f", "interface:=i", "max-hops:=m", "sim-queries:=N", "port:=p", "tos:=t",
      "wait:=w", "queries:=q", "source:=s", "dont-fragment=F",
    ],
    refused: "6dTAUDVrg:z:M:O:l:",
    refusedLong: [
      "debug", "tcp", "udp", "udplite:", "dccp", "as-path-lookups", "gateway:", "sendwait:",
      "module:", "options:", "mtu", "back", "sport:", "fwmark:", "version", "help", "flowlabel:",
      "extensions",
    ]
  )

  static let command = Command("traceroute", options: specification) {
    process,
    arguments async throws(ProcessExit) in
    let parsed = try await process.options(specification, arguments, status: 2)
    guard let host = parsed.operands.first else {
      try await process.print(
        "Usage:\n  traceroute [ -46dFITnreAUDV ] [ -f first_ttl ] [ -m max_ttl ] [ -N squeries ] "
          + "[ -q nqueries ] [ -w MAX ] host [ packetlen ]\n"
      )
      return 0
    }
    var plan = TracePlan()
    func number(_ key: String, _ fallback: Int) async throws(ProcessExit) -> Int {
      guard let text = parsed[key] else { return fallback }
      guard let value = Int(text) else {
        try await process.printError(
          "Bad option `-\(key)' (with arg `\(text)'), expected number\n"
        )
        throw .status(2)
      }
      return value
    }
    func fail(_ text: String) async throws(ProcessExit) -> ProcessExit {
      try await process.printError(text + "\n")
      return .status(2)
    }
    plan.first = try await number("f", 1)
    plan.hops = try await number("m", 30)
    plan.queries = try await number("q", 3)
    plan.simultaneous = max(1, try await number("N", 16))
    plan.port = UInt16(clamping: try await number("p", 33_434))
    plan.tos = UInt8(clamping: try await number("t", 0))
    if let text = parsed["w"] {
      let parts = text.split(whereSeparator: { $0 == "," || $0 == "/" }).map { Double($0) }
      guard let first = parts.first, let wait = first, wait >= 0, wait < 1e6 else {
        throw try await fail("bad wait seconds `\(text)' specified")
      }
      plan.wait = Int64(wait * 1e9)
      plan.hereFactor = parts.count > 1 ? parts[1] ?? 0 : parts.count == 1 ? 3 : 0
      plan.nearFactor = parts.count > 2 ? parts[2] ?? 0 : parts.count == 1 ? 10 : 0
    }
    guard plan.first > 0, plan.first <= plan.hops else {
      throw try await fail("first hop out of range")
    }
    guard plan.hops <= 255 else { throw try await fail("max hops cannot be more than 255") }
    guard (1...10).contains(plan.queries) else {
      throw try await fail("no more than 10 probes per hop")
    }
    plan.isICMP = parsed.has("I")
    plan.isNumeric = parsed.has("n")
    plan.keepsWhole = parsed.has("F")
    plan.device = parsed["i"]
    plan.source = parsed["s"].flatMap { IPv4Address($0) }
    if parsed.operands.count > 1 {
      guard let size = Int(parsed.operands[1]), size >= 0, size <= 65_000 else {
        throw try await fail("too big packetlen \(parsed.operands[1]) specified")
      }
      plan.size = max(size, 28)
    }
    let target: IPv4Address
    switch try await process.address(of: host, parsed.has("4") ? .v4 : .any) {
    case .success(let found): target = found
    case .failure(let error):
      try await process.printError(
        "\(host): \(error.text)\nCannot handle \"host\" cmdline arg `\(host)' on position 1 (argc "
          + "\(arguments.firstIndex(of: host).map { $0 + 1 } ?? 1))\n"
      )
      return 2
    }
    plan.target = target
    try await process.print(
      "traceroute to \(host) (\(target)), \(plan.hops) hops max, \(plan.size) byte packets"
    )
    return try await RouteTrace(process, plan).run()
  }
}

/// What `traceroute` sends, and how patiently.
struct TracePlan {
  var target = IPv4Address.any
  var first = 1
  var hops = 30
  var queries = 3
  var simultaneous = 16
  var port: UInt16 = 33_434
  var tos: UInt8 = 0
  var wait: Int64 = 5_000_000_000
  var hereFactor: Double = 3
  var nearFactor: Double = 10
  var size = 60
  var isICMP = false
  var isNumeric = false
  var keepsWhole = false
  var device: String?
  var source: IPv4Address?
}

/// The loop of `traceroute`.
private final class RouteTrace {
  private struct Probe {
    var sent: Instant?
    var received: Instant?
    var answer: IPv4Address?
    var isDone = false
    var isFinal = false
    var mark = ""
    var socket: UDPSocket?
  }

  private let process: Process
  private let plan: TracePlan
  private var probes: [Probe]
  private var raw: RawSocket?
  private var identifier: UInt16 = 0
  private var ifindex: Int32 = 0

  init(_ process: Process, _ plan: TracePlan) {
    self.process = process
    self.plan = plan
    probes = Array(repeating: Probe(), count: plan.hops * plan.queries)
  }

  private var now: Instant { process.simulation.now }

  func run() async throws(ProcessExit) -> Int32 {
    defer {
      raw?.close()
      for probe in probes { probe.socket?.close() }
    }
    if let name = plan.device {
      guard let device = process.namespace.devices[name] else {
        throw try await fail("setsockopt SO_BINDTODEVICE: No such device")
      }
      ifindex = device.ifindex
    }
    if plan.isICMP { try await openRaw() }
    var start = (plan.first - 1) * plan.queries
    var end = probes.count
    while start < end {
      var inFlight = 0
      var next: Instant?
      var index = start
      while index < end {
        if index == start, !probes[index].isDone, let sent = probes[index].sent,
          now >= sent + patience(index)
        {
          probes[index].isDone = true
        }
        if probes[index].isDone {
          if index == start {
            try await show(index)
            start += 1
          }
          if probes[index].isFinal { end = (index / plan.queries + 1) * plan.queries }
          index += 1
          continue
        }
        if probes[index].sent == nil { try await send(index) }
        if next == nil, let sent = probes[index].sent { next = sent + patience(index) }
        inFlight += 1
        if inFlight >= plan.simultaneous { break }
        index += 1
      }
      if let next { try await wait(until: next) }
    }
    try await process.print("\n")
    return 0
  }

  private func fail(_ text: String) async throws(ProcessExit) -> ProcessExit {
    try await process.printError("\n\(text)\n")
    return .status(1)
  }

  /// How long an answer is waited for, judging by those that are there.
  private func patience(_ index: Int) -> Int64 {
    func trip(_ probe: Probe) -> Int64? {
      guard probe.isDone, let sent = probe.sent, let received = probe.received, received > sent
      else { return nil }
      return received - sent
    }
    if plan.hereFactor > 0 {
      let hop = index / plan.queries * plan.queries
      for other in hop..<(hop + plan.queries) {
        if let trip = trip(probes[other]) {
          return min(plan.wait, max(1_000_000, Int64(Double(trip) * plan.hereFactor)))
        }
      }
    }
    if plan.nearFactor > 0 {
      for other in probes[(index + 1)...] {
        if other.sent == nil { break }
        if let trip = trip(other) {
          return min(plan.wait, max(1_000_000, Int64(Double(trip) * plan.nearFactor)))
        }
      }
    }
    return plan.wait
  }

  // MARK: Sending

  private func openRaw() async throws(ProcessExit) {
    let socket = process.namespace.sockets.makeRaw(.icmp)
    process.own(socket)
    raw = socket
    socket.icmpFilter = ~1
    prepare(socket)
    do throws(SocketError) {
      if let source = plan.source { try socket.bind(address: source) }
      try socket.connect(to: plan.target)
    } catch {
      throw try await fail("connect: \(error.text)")
    }
    var random = process.simulation.randomSource("traceroute/\(process.pid)")
    identifier = UInt16(truncatingIfNeeded: random.next())
  }

  private func prepare(_ socket: Socket) {
    socket.options.receivesErrors = true
    socket.options.tos = plan.tos
    socket.options.boundIfindex = ifindex
    socket.options.pathMTUDiscovery = plan.keepsWhole ? .do : .dont
  }

  private func send(_ index: Int) async throws(ProcessExit) {
    // Making a socket and sending takes a moment, in which answers come.
    try await process.sleep(nanoseconds: .microseconds(15))
    let ttl = UInt8(clamping: index / plan.queries + 1)
    let length = max(0, plan.size - 28)
    let filling = (0..<length).map { UInt8(0x40 + ($0 & 0x3f)) }
    if let raw {
      raw.options.ttl = ttl
      let sequence = UInt16(truncatingIfNeeded: index + 1)
      var message: [UInt8] = [
        8, 0, 0, 0, UInt8(identifier >> 8), UInt8(identifier & 255), UInt8(sequence >> 8),
        UInt8(sequence & 255),
      ]
      message += filling
      let sum = message.withUnsafeBytes { InternetChecksum.checksum(of: $0) }
      message[2] = UInt8(sum >> 8)
      message[3] = UInt8(sum & 255)
      probes[index].sent = now
      try? raw.send(message)
      return
    }
    let socket = process.namespace.sockets.makeUDP()
    process.own(socket)
    probes[index].socket = socket
    prepare(socket)
    do throws(SocketError) {
      if let source = plan.source { try socket.bind(address: source, port: 0) }
      socket.options.ttl = ttl
      try socket.connect(
        to: plan.target,
        port: plan.port &+ UInt16(truncatingIfNeeded: index)
      )
    } catch {
      throw try await fail("connect: \(error.text)")
    }
    probes[index].sent = now
    do throws(SocketError) {
      try socket.send(filling)
    } catch {
      if error == .messageTooLong || error == .operationNotPermitted {
        throw try await fail("send: \(error.text)")
      }
    }
  }

  // MARK: Receiving

  private func wait(until deadline: Instant) async throws(ProcessExit) {
    var queues: [WaitQueue] = []
    var isReady = false
    if let raw {
      queues.append(raw.readable)
      isReady = raw.hasSomething
    }
    for probe in probes where !probe.isDone {
      guard let socket = probe.socket else { continue }
      queues.append(socket.readable)
      isReady = isReady || socket.hasSomething
    }
    if !isReady {
      if deadline <= now { return }
      if case .timedOut = try await process.wait(on: queues, until: deadline) { return }
    }
    if let raw {
      takeRaw(raw)
      return
    }
    for index in probes.indices where !probes[index].isDone {
      guard let socket = probes[index].socket else { continue }
      _ = socket.takeError()
      if let report = socket.takeErrorReport() {
        take(report, index)
      } else if let datagram = socket.receive() {
        finish(index, datagram.source, isFinal: true)
      }
      if probes[index].isDone {
        socket.close()
        probes[index].socket = nil
      }
    }
  }

  private func takeRaw(_ raw: RawSocket) {
    _ = raw.takeError()
    if let report = raw.takeErrorReport() {
      guard let index = index(of: report.payload, type: 8) else { return }
      take(report, index)
    } else if let datagram = raw.receive() {
      let headerLength = datagram.bytes.first.map { Int($0 & 15) * 4 } ?? 0
      let message = Array(datagram.bytes.dropFirst(headerLength))
      guard let index = index(of: message, type: 0) else { return }
      finish(index, datagram.source, isFinal: true)
    }
  }

  /// Which probe an echo message belongs to.
  private func index(of message: [UInt8], type: UInt8) -> Int? {
    guard message.count >= 8, message[0] == type,
      UInt16(message[4]) << 8 | UInt16(message[5]) == identifier
    else { return nil }
    let index = Int(message[6]) << 8 | Int(message[7]) - 1
    return probes.indices.contains(index) && !probes[index].isDone ? index : nil
  }

  private func finish(_ index: Int, _ address: IPv4Address?, isFinal: Bool) {
    probes[index].isDone = true
    probes[index].received = now
    probes[index].answer = address
    probes[index].isFinal = isFinal
  }

  private func take(_ report: SocketErrorReport, _ index: Int) {
    if report.isLocal {
      if report.error == .messageTooLong { probes[index].mark = "!F-\(report.info)" }
      finish(index, nil, isFinal: false)
      return
    }
    if report.type == 11 {
      finish(index, report.offender, isFinal: false)
      return
    }
    finish(index, report.offender, isFinal: true)
    guard report.type == 3 else { return }
    switch report.code {
    case 0, 6, 8, 11: probes[index].mark = "!N"
    case 1, 7, 12: probes[index].mark = "!H"
    case 2: probes[index].mark = "!P"
    case 3: if plan.isICMP { probes[index].mark = "!<3>" }
    case 4: probes[index].mark = "!F-\(report.info)"
    case 5: probes[index].mark = "!S"
    case 9, 10, 13: probes[index].mark = "!X"
    case 14: probes[index].mark = "!V"
    case 15: probes[index].mark = "!C"
    default: probes[index].mark = "!<\(report.code)>"
    }
  }

  // MARK: Showing

  private func show(_ index: Int) async throws(ProcessExit) {
    let probe = probes[index]
    let number = index % plan.queries
    var text = ""
    if number == 0 { text += "\n" + String(index / plan.queries + 1).leftPadded(2) + " " }
    if let answer = probe.answer {
      let earlier = probes[(index - number)..<index].last { $0.answer != nil }
      if earlier?.answer != answer {
        let name = plan.isNumeric ? nil : try await process.name(of: answer)
        text += " \(plan.isNumeric ? "" : (name ?? answer.description) + " (")"
        text += answer.description + (plan.isNumeric ? "" : ")")
      }
    } else {
      text += " *"
    }
    if probe.answer != nil, let sent = probe.sent, let received = probe.received {
      text += "  \(DecimalText.thousandths((received - sent) / 1000)) ms"
    }
    if !probe.mark.isEmpty { text += " " + probe.mark }
    try await process.print(text)
  }
}
