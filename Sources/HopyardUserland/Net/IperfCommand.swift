import HopyardServices
import HopyardSimulator
import HopyardWire

/// `iperf3`, version 3.12: it measures what a path carries, by TCP or UDP.
enum IperfCommand {
  static let specification = OptionSpecification(
    "sc:p:ub:t:n:k:l:P:Ri:JB:14f:w:VNM:S:C:O:d",
    long: [
      "server=s", "client:=c", "port:=p", "udp=u", "bitrate:=b", "bandwidth:=b", "time:=t",
      "bytes:=n", "blockcount:=k", "length:=l", "parallel:=P", "reverse=R", "interval:=i",
      "json=J", "bind:=B", "one-off=1", "version4=4", "format:=f", "window:=w", "verbose=V",
      "no-delay=N", "set-mss:=M", "tos:=S", "connect-timeout:",
    ],
    refused: "D6XAFTZLIvh",
    refusedLong: [
      "daemon", "version6", "bidir", "sctp", "affinity:", "file:", "title:", "zerocopy",
      "get-server-output", "pidfile:", "logfile:", "congestion:", "omit:", "version", "help",
      "forceflush", "timestamps::", "rcv-timeout:", "cport:",
    ]
  )

  static let command = Command("iperf3", options: specification) {
    process,
    arguments async throws(ProcessExit) in
    process.name = "iperf3"
    let parsed: ParsedOptions
    switch specification.parse(arguments) {
    case .success(let found): parsed = found
    case .failure(.refused(_, let message)): throw .refused("iperf3: \(message)")
    case .failure(.usage(let message)):
      try await process.printError(
        "iperf3: \(message)\nUsage: iperf3 [-s|-c host] [options]\n"
          + "Try `iperf3 --help' for more information.\n"
      )
      return 1
    }
    if parsed.has("C") || parsed.has("O") {
      throw .refused("iperf3: the options -C and -O are not modelled")
    }
    let port = parsed["p"].flatMap { UInt16($0) } ?? 5201
    if parsed.has("s") {
      return try await IperfServer(process, parsed, port).run()
    }
    guard let host = parsed["c"] else {
      try await process.printError(
        "iperf3: parameter error - must either be a client (-c) or server (-s)\n\n"
          + "Usage: iperf3 [-s|-c host] [options]\nTry `iperf3 --help' for more information.\n"
      )
      return 1
    }
    return try await IperfClient(process, parsed, host, port).run()
  }

  /// A number with a unit: `10M`, `1.5G`; bits count in thousands, bytes in 1024.
  static func number(_ text: String, step: Double) -> Double? {
    let body = text.prefix { $0 != "/" }
    let factor: Double =
      switch body.last {
      case "k", "K": step
      case "m", "M": step * step
      case "g", "G": step * step * step
      case "t", "T": step * step * step * step
      default: 1
      }
    let digits = factor == 1 ? body : body.dropLast()
    guard let value = Double(digits), value >= 0, value < 1e15 else { return nil }
    return value * factor
  }
}

/// What client and server agree on.
struct IperfPlan {
  var isUDP = false
  var time: Double = 10
  var bytes: Int?
  var blocks: Int?
  var parallel = 1
  var length = 131_072
  /// Bits in a second; 0 for as many as go.
  var rate: Double = 0
  var isReverse = false

  var text: String {
    var fields = [isUDP ? "\"udp\":true" : "\"tcp\":true", "\"omit\":0"]
    fields.append("\"time\":\(bytes == nil && blocks == nil ? Int(time) : 0)")
    fields.append("\"num\":\(bytes ?? 0)")
    fields.append("\"blockcount\":\(blocks ?? 0)")
    fields.append("\"parallel\":\(parallel)")
    if isReverse { fields.append("\"reverse\":true") }
    fields.append("\"len\":\(length)")
    if rate > 0 { fields.append("\"bandwidth\":\(Int(rate))") }
    fields.append("\"pacing_timer\":1000")
    fields.append("\"client_version\":\"3.12\"")
    return "{\(fields.joined(separator: ","))}"
  }

  init() {}

  /// Reads what the client sent; sizes are kept within reason.
  init(parsing text: String) {
    let number = { (name: String) in IperfJSON.number(name, in: text) ?? 0 }
    isUDP = IperfJSON.flag("udp", in: text)
    isReverse = IperfJSON.flag("reverse", in: text)
    time = min(max(number("time"), 0), 1e6)
    let count = number("num")
    if count >= 1, count < 1e15 { bytes = Int(count) }
    let blockCount = number("blockcount")
    if blockCount >= 1, blockCount < 1e12 { blocks = Int(blockCount) }
    parallel = Int(min(max(number("parallel"), 1), 128))
    length = Int(min(max(number("len"), 16), 1_048_576))
    rate = min(max(number("bandwidth"), 0), 1e13)
  }

  /// How many bytes are to be sent, if that is what ends the test.
  var goal: Int? { bytes ?? blocks.map { $0 * length } }
}

/// The states that travel over the control connection as one byte.
enum IperfState: UInt8 {
  case testStart = 1
  case testRunning = 2
  case testEnd = 4
  case parameterExchange = 9
  case createStreams = 10
  case serverTerminate = 11
  case clientTerminate = 12
  case exchangeResults = 13
  case displayResults = 14
  case done = 16
  case accessDenied = 255
}

/// The control connection.
struct IperfControl {
  let stream: TCPStream

  func send(_ state: IperfState) async throws(SocketError) {
    try await stream.write([state.rawValue])
  }

  func receive() async throws(SocketError) -> IperfState? {
    guard let byte = try await stream.readExactly(1)?.first else { return nil }
    return IperfState(rawValue: byte)
  }

  func send(_ text: String) async throws(SocketError) {
    let bytes = Array(text.utf8)
    let count = UInt32(bytes.count)
    try await stream.write([24, 16, 8, 0].map { UInt8(count >> $0 & 255) })
    try await stream.write(bytes)
  }

  func receiveText() async throws(SocketError) -> String? {
    guard let prefix = try await stream.readExactly(4) else { return nil }
    let count = prefix.reduce(0) { $0 << 8 | Int($1) }
    guard count <= 1 << 20, let bytes = try await stream.readExactly(count) else { return nil }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// One end of a test while it runs: streams that send or receive, and reports each second.
final class IperfTest {
  /// What a stream runs over.
  enum Carrier {
    case tcp(TCPStream)
    case udp(UDPEndpoint)
  }

  let process: Process
  let plan: IperfPlan
  let sends: Bool
  private(set) var streams: [(stream: IperfStream, carrier: Carrier)] = []
  private(set) var start = Instant.zero
  private(set) var end: Instant?
  /// Woken when a stream has sent its share.
  let finished = WaitQueue()
  private var lastReport = Instant.zero

  init(_ process: Process, _ plan: IperfPlan, sends: Bool) {
    self.process = process
    self.plan = plan
    self.sends = sends
  }

  private var now: Instant { process.simulation.now }

  var seconds: Double { Double((end ?? now) - start) / 1e9 }

  func add(_ carrier: Carrier, id: Int) { streams.append((IperfStream(id: id), carrier)) }

  var sentAll: Bool {
    guard let goal = plan.goal else { return false }
    return streams.reduce(0) { $0 + $1.stream.bytes } >= goal
  }

  var isOver: Bool { end != nil }

  /// Starts to send or to receive on all streams.
  func begin() {
    start = now
    lastReport = now
    for (stream, carrier) in streams {
      process.program.spawn { [self] in
        switch (carrier, sends) {
        case (.tcp(let tcp), true): await send(stream, tcp)
        case (.tcp(let tcp), false): await receive(stream, tcp)
        case (.udp(let udp), true): await send(stream, udp)
        case (.udp(let udp), false): await receive(stream, udp)
        }
      }
    }
  }

  func stop() {
    guard end == nil else { return }
    end = now
    finished.wakeAll()
  }

  func close() {
    for (_, carrier) in streams {
      switch carrier {
      case .tcp(let stream): stream.close()
      case .udp(let endpoint): endpoint.close()
      }
    }
  }

  /// When the next block may leave so that the rate is kept.
  private func due(_ bytes: Int) -> Instant {
    guard plan.rate > 0 else { return now }
    return start + Int64(Double(bytes) * 8 / plan.rate * 1e9)
  }

  private func send(_ stream: IperfStream, _ tcp: TCPStream) async {
    let block = [UInt8](repeating: 0x30, count: plan.length)
    while !isOver, !sentAll {
      let time = due(stream.bytes)
      if time > now {
        await process.simulation.sleep(nanoseconds: time - now)
        continue
      }
      do {
        try await tcp.write(block)
      } catch {
        break
      }
      stream.bytes += block.count
      stream.intervalBytes += block.count
    }
    if sentAll { finished.wakeAll() }
  }

  private func send(_ stream: IperfStream, _ udp: UDPEndpoint) async {
    while !isOver, !sentAll {
      let time = due(stream.bytes)
      if time > now {
        await process.simulation.sleep(nanoseconds: time - now)
        continue
      }
      stream.packets += 1
      stream.intervalPackets += 1
      let micro = now.nanoseconds / 1000
      var datagram = [UInt8](repeating: 0x30, count: plan.length)
      for (place, value) in [
        UInt32(truncatingIfNeeded: micro / 1_000_000),
        UInt32(truncatingIfNeeded: micro % 1_000_000),
        UInt32(truncatingIfNeeded: stream.packets),
      ].enumerated() {
        for byte in 0..<4 { datagram[place * 4 + byte] = UInt8(value >> (24 - 8 * byte) & 255) }
      }
      try? udp.send(datagram)
      stream.bytes += datagram.count
      stream.intervalBytes += datagram.count
      if plan.rate <= 0 { await process.simulation.sleep(nanoseconds: .microseconds(10)) }
    }
    if sentAll { finished.wakeAll() }
  }

  private func receive(_ stream: IperfStream, _ tcp: TCPStream) async {
    while let bytes = try? await tcp.read(plan.length), !bytes.isEmpty {
      guard !isOver else { continue }
      stream.bytes += bytes.count
      stream.intervalBytes += bytes.count
    }
  }

  private func receive(_ stream: IperfStream, _ udp: UDPEndpoint) async {
    var expected = 0
    while !udp.socket.isClosed {
      let datagram: Datagram
      do throws(SocketError) {
        guard let next = try await udp.receive() else { return }
        datagram = next
      } catch {
        if error == .interrupted { return }
        continue
      }
      let bytes = datagram.bytes
      guard bytes.count >= 12, !isOver else { continue }
      let word = { (place: Int) -> Int64 in
        (0..<4).reduce(Int64(0)) { $0 << 8 | Int64(bytes[place * 4 + $1]) }
      }
      let number = Int(word(2))
      stream.bytes += bytes.count
      stream.intervalBytes += bytes.count
      if number > expected {
        let gap = number - expected - 1
        stream.lost += gap
        stream.intervalLost += gap
        stream.packets += number - expected
        stream.intervalPackets += number - expected
        expected = number
      } else {
        // One that was counted as lost came late.
        stream.lost -= stream.lost > 0 ? 1 : 0
      }
      let transit = datagram.time.nanoseconds - (word(0) * 1_000_000 + word(1)) * 1000
      if let last = stream.lastTransit {
        stream.jitter += (Double(abs(transit - last)) - stream.jitter) / 16
      }
      stream.lastTransit = transit
    }
  }

  // MARK: Reports

  private var report: IperfReport { IperfReport(isUDP: plan.isUDP, sends: sends) }

  /// The lines of the interval that ends now.
  func intervalText() -> String {
    let from = Double(lastReport - start) / 1e9
    let to = Double((end ?? now) - start) / 1e9
    lastReport = now
    var text = ""
    var sums = (bytes: 0, packets: 0, lost: 0)
    for (stream, _) in streams {
      text += report.interval(
        stream.id,
        from,
        to,
        bytes: stream.intervalBytes,
        packets: stream.intervalPackets,
        lost: stream.intervalLost,
        jitter: stream.jitter
      )
      sums.bytes += stream.intervalBytes
      sums.packets += stream.intervalPackets
      sums.lost += stream.intervalLost
      stream.intervalBytes = 0
      stream.intervalPackets = 0
      stream.intervalLost = 0
    }
    if streams.count > 1 {
      let jitter = streams.reduce(0) { $0 + $1.stream.jitter } / Double(streams.count)
      text += report.interval(
        nil,
        from,
        to,
        bytes: sums.bytes,
        packets: sums.packets,
        lost: sums.lost,
        jitter: jitter
      )
    }
    return text
  }

  /// Whether something was counted since the last report.
  var hasPartialInterval: Bool { (end ?? now) - lastReport > .milliseconds(10) }

  var intervalHeading: String { report.heading(isFinal: false) }

  /// The lines of the whole test; a server shows its own end only.
  func totalText(isServer: Bool) -> String {
    var text = IperfReport.rule + report.heading(isFinal: true)
    let time = seconds
    for (stream, _) in streams {
      let own = (stream.bytes, stream.packets, stream.lost, stream.jitter)
      let other = (stream.peerBytes, stream.peerPackets, stream.peerLost, stream.peerJitter)
      let sender = sends ? own : other
      let receiver = sends ? other : own
      if !isServer || sends {
        text += report.total(
          stream.id,
          time,
          bytes: sender.0,
          packets: sender.1,
          lost: 0,
          jitter: 0,
          "sender"
        )
      }
      if !isServer || !sends {
        text += report.total(
          stream.id,
          time,
          bytes: receiver.0,
          packets: max(receiver.1, sender.1),
          lost: receiver.2,
          jitter: receiver.3,
          "receiver"
        )
      }
    }
    if streams.count > 1 {
      for role in ["sender", "receiver"] where !isServer || (role == "sender") == sends {
        let isOwn = (role == "sender") == sends
        let bytes = streams.reduce(0) { $0 + (isOwn ? $1.stream.bytes : $1.stream.peerBytes) }
        let packets = streams.reduce(0) { $0 + (isOwn ? $1.stream.packets : $1.stream.peerPackets) }
        let lost = streams.reduce(0) { $0 + (isOwn ? $1.stream.lost : $1.stream.peerLost) }
        text += report.total(
          nil,
          time,
          bytes: bytes,
          packets: packets,
          lost: role == "sender" ? 0 : lost,
          jitter: 0,
          role
        )
      }
    }
    return text
  }

  /// What this end tells the other.
  var results: String {
    let items = streams.enumerated().map { index, item in
      let stream = item.stream
      let jitter = DecimalText.fixed(stream.jitter / 1e9, 9)
      return "{\"id\":\(index == 0 ? 1 : index + 2),\"bytes\":\(stream.bytes),\"retransmits\":-1,"
        + "\"jitter\":\(jitter),\"errors\":\(stream.lost),\"packets\":\(stream.packets),"
        + "\"start_time\":0,\"end_time\":\(DecimalText.fixed(seconds, 6))}"
    }
    return "{\"cpu_util_total\":0,\"cpu_util_user\":0,\"cpu_util_system\":0,"
      + "\"sender_has_retransmits\":-1,\"streams\":[\(items.joined(separator: ","))]}"
  }

  /// Takes what the other end told.
  func take(_ text: String) {
    for (part, item) in zip(IperfJSON.streams(in: text), streams) {
      let number = { (name: String) in IperfJSON.number(name, in: part) ?? 0 }
      item.stream.peerBytes = Int(min(max(number("bytes"), 0), 1e15))
      item.stream.peerPackets = Int(min(max(number("packets"), 0), 1e12))
      item.stream.peerLost = Int(min(max(number("errors"), 0), 1e12))
      item.stream.peerJitter = number("jitter") * 1e9
    }
  }

  /// The test as a JSON document, with the same members as the real one's where they mean something.
  func document(host: String, port: UInt16, isServer: Bool) -> String {
    let time = seconds
    func end(_ bytes: Int, _ sender: Bool) -> String {
      let rate = time > 0 ? Double(bytes) * 8 / time : 0
      return "{\"start\":0,\"end\":\(DecimalText.fixed(time, 6)),"
        + "\"seconds\":\(DecimalText.fixed(time, 6)),\"bytes\":\(bytes),"
        + "\"bits_per_second\":\(DecimalText.fixed(rate, 3)),\"sender\":\(sender)}"
    }
    let sent = streams.reduce(0) { $0 + (sends ? $1.stream.bytes : $1.stream.peerBytes) }
    let received = streams.reduce(0) { $0 + (sends ? $1.stream.peerBytes : $1.stream.bytes) }
    let items = streams.map { item in
      let stream = item.stream
      return "{\"sender\":\(end(sends ? stream.bytes : stream.peerBytes, true)),"
        + "\"receiver\":\(end(sends ? stream.peerBytes : stream.bytes, false))}"
    }
    return "{\"start\":{\"version\":\"iperf 3.12\","
      + "\"connecting_to\":{\"host\":\"\(host)\",\"port\":\(port)},"
      + "\"test_start\":{\"protocol\":\"\(plan.isUDP ? "UDP" : "TCP")\","
      + "\"num_streams\":\(plan.parallel),\"blksize\":\(plan.length),\"omit\":0,"
      + "\"duration\":\(Int(plan.goal == nil ? plan.time : 0)),\"bytes\":\(plan.bytes ?? 0),"
      + "\"blocks\":\(plan.blocks ?? 0),\"reverse\":\(plan.isReverse ? 1 : 0)}},"
      + "\"intervals\":[],\"end\":{\"streams\":[\(items.joined(separator: ","))],"
      + "\"sum_sent\":\(end(sent, true)),\"sum_received\":\(end(received, false))}}\n"
  }
}
