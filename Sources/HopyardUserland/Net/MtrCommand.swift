import HopyardServices
import HopyardSimulator
import HopyardWire

/// `mtr` as a report (`-r`), as Debian's 0.95: how each hop to a host answers ICMP echo requests.
final class MtrCommand {
  static let specification = OptionSpecification(
    "rwnbc:i:m:f:s:a:I:4C",
    long: [
      "report=r", "report-wide=w", "no-dns=n", "show-ips=b", "report-cycles:=c", "interval:=i",
      "max-ttl:=m", "first-ttl:=f", "psize:=s", "address:=a", "interface:=I", "csv=C",
    ],
    refused: "6uTStpxjleyzo:LPGQZMUgBv",
    refusedLong: [
      "udp", "tcp", "sctp", "json", "xml", "raw", "split", "curses", "gtk", "mpls", "aslookup",
      "port:", "localport:", "help", "version", "filename:", "gracetime:", "timeout:",
    ]
  )

  static let command = Command(
    "mtr",
    check: { check in
      check.checkOptions(specification)
      guard case .success(let parsed) = specification.parse(check.texts) else { return }
      if !parsed.has("r"), !parsed.has("w"), !parsed.has("C") {
        check.report(nil, "mtr without -r, -w or -C, as a screen, is not modelled")
      }
    },
    run: { process, arguments async throws(ProcessExit) in
      process.name = "mtr"
      let parsed = try await process.options(specification, arguments)
      guard parsed.has("r") || parsed.has("w") || parsed.has("C") else {
        throw .refused("mtr: without -r, -w or -C it is not modelled")
      }
      let host = parsed.operands.first ?? "localhost"
      switch try await process.address(of: host) {
      case .success(let address): return try await MtrCommand(process, parsed, host, address).run()
      case .failure(let error):
        try await process.printError(
          "mtr: Failed to resolve host: \(host): \(error.text)\n"
        )
        return 1
      }
    }
  )

  /// What is known of one distance.
  private struct Hop {
    var address: IPv4Address?
    var sent = 0
    /// Round trip times in microseconds.
    var times: [Int64] = []
  }

  private let process: Process
  private let options: ParsedOptions
  private let host: String
  private let target: IPv4Address
  private var hops: [Hop] = []
  private let first: Int
  private let maximum: Int

  private init(
    _ process: Process,
    _ options: ParsedOptions,
    _ host: String,
    _ target: IPv4Address
  ) {
    self.process = process
    self.options = options
    self.host = host
    self.target = target
    first = max(1, options["f"].flatMap { Int($0) } ?? 1)
    maximum = min(max(options["m"].flatMap { Int($0) } ?? 30, first), 255)
  }

  private func run() async throws(ProcessExit) -> Int32 {
    let cycles = max(1, options["c"].flatMap { Int($0) } ?? 10)
    let interval = options["i"].flatMap { Double($0) } ?? 1
    guard interval > 0, interval < 1e6 else {
      try await process.printError("mtr: wait time must be positive\n")
      return 1
    }
    let socket = process.namespace.sockets.makeRaw(.icmp)
    defer { socket.close() }
    process.own(socket)
    socket.icmpFilter = ~(1 << 3 | 1 << 11 | 1 << 0)
    // It makes the IP header itself, without the bit that forbids fragments.
    socket.options.pathMTUDiscovery = .dont
    if let device = options["I"] {
      guard let found = process.namespace.devices[device] else {
        try await process.printError("mtr: invalid interface\n")
        return 1
      }
      socket.options.boundIfindex = found.ifindex
    }
    if let source = options["a"].flatMap({ IPv4Address($0) }) {
      do {
        try socket.bind(address: source)
      } catch {
        try await process.printError("mtr: Failure to start mtr-packet: \(error.text)\n")
        return 1
      }
    }
    let start = process.wallClock.seconds
    hops = (first...maximum).map { _ in Hop() }
    var reach = hops.count
    var sequence: UInt16 = 33_000
    for cycle in 0..<cycles {
      let begin = process.simulation.now
      var silent = 0
      var position = 0
      while position < reach {
        let isEnd = try await probe(socket, position, sequence)
        sequence &+= 1
        if hops[position].address == nil { silent += 1 } else { silent = 0 }
        if isEnd { reach = position + 1 }
        // Behind so many silent hops nothing more is looked for.
        if silent >= 5, position + 1 < reach { reach = position + 1 }
        position += 1
      }
      if cycle == 0, reach < hops.count {
        // That the end was reached it sees only after the next probe.
        _ = try await probe(socket, reach, sequence)
        sequence &+= 1
      }
      let next = begin + Int64(interval * 1e9)
      if process.simulation.now < next {
        try await process.sleep(nanoseconds: next - process.simulation.now)
      }
    }
    // Late answers are waited for.
    try await process.sleep(nanoseconds: .seconds(5))
    // Of the silent hops at the end one is shown.
    hops = Array(hops.prefix(reach))
    while hops.count > 1, hops[hops.count - 1].address == nil, hops[hops.count - 2].address == nil {
      hops.removeLast()
    }
    let text: String
    if options.has("C") { text = try await csv(start) } else { text = try await report(start) }
    try await process.print(text)
    return 0
  }

  /// Sends one echo request to a distance; whether the target answered.
  private func probe(_ socket: RawSocket, _ position: Int, _ sequence: UInt16)
    async throws(ProcessExit) -> Bool
  {
    socket.options.ttl = UInt8(first + position)
    let size = max(28, min(options["s"].flatMap { Int($0) } ?? 64, 4096)) - 28
    let identifier = UInt16(truncatingIfNeeded: process.pid)
    var message: [UInt8] = [8, 0, 0, 0, UInt8(identifier >> 8), UInt8(identifier & 255)]
    message += [UInt8(sequence >> 8), UInt8(sequence & 255)] + [UInt8](repeating: 0, count: size)
    let sum = message.withUnsafeBytes { InternetChecksum.checksum(of: $0) }
    message[2] = UInt8(sum >> 8)
    message[3] = UInt8(sum & 255)
    hops[position].sent += 1
    let sent = process.simulation.now
    do {
      try socket.send(message, to: target)
    } catch {
      return false
    }
    let deadline = sent + .seconds(1)
    while try await process.waitToRead(socket, until: deadline) {
      _ = socket.takeError()
      guard let datagram = socket.receive() else { continue }
      let header = datagram.bytes.first.map { Int($0 & 15) * 4 } ?? 0
      let reply = Array(datagram.bytes.dropFirst(header))
      guard reply.count >= 8 else { continue }
      var echo = reply[...]
      if reply[0] != 0 {
        let quoted = reply.dropFirst(8)
        let length = quoted.first.map { Int($0 & 15) * 4 } ?? 0
        echo = quoted.dropFirst(length)
      }
      guard Array(echo.dropFirst(4).prefix(4)) == Array(message[4..<8]) else { continue }
      hops[position].address = datagram.source
      hops[position].times.append((datagram.time - sent) / 1000)
      return datagram.source == target || reply[0] != 11
    }
    return false
  }

  private func name(_ hop: Hop) async throws(ProcessExit) -> String {
    guard let address = hop.address else { return "???" }
    if options.has("n") { return "\(address)" }
    let name = try await process.name(of: address) ?? "\(address)"
    return options.has("b") && name != "\(address)" ? "\(name) (\(address))" : name
  }

  private func numbers(_ hop: Hop) -> (loss: Double, values: [Double]) {
    let times = hop.times.map { Double($0) / 1000 }
    let loss = hop.sent == 0 ? 0 : 100 * Double(hop.sent - times.count) / Double(hop.sent)
    guard let last = times.last, let best = times.min(), let worst = times.max() else {
      return (loss, [0, 0, 0, 0, 0])
    }
    let mean = times.reduce(0, +) / Double(times.count)
    let squares = times.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    let deviation = times.count > 1 ? (squares / Double(times.count - 1)).squareRoot() : 0
    return (loss, [last, mean, best, worst, deviation])
  }

  private func report(_ start: Int64) async throws(ProcessExit) -> String {
    let time = CalendarTime(start)
    let two = { (number: Int) in DecimalText.zeroPadded(Int64(number), 2) }
    var names: [String] = []
    for hop in hops { names.append(try await name(hop)) }
    var width = 33
    if options.has("w") { width = max(33, 8 + (names.map(\.utf8.count).max() ?? 0)) }
    var text = "Start: \(time.year)-\(two(time.month))-\(two(time.day))T\(time.clock)+0000\n"
    text += "HOST: \(process.userland.hostname)".padded(width)
    text += " Loss%   Snt   Last   Avg  Best  Wrst StDev\n"
    for (index, hop) in hops.enumerated() {
      let (loss, values) = numbers(hop)
      var line = String(first + index).leftPadded(3) + ".|-- " + names[index]
      if !options.has("w") { line = String(line.prefix(width)) }
      text += line.padded(width)
      text += loss >= 100 ? " 100.0" : (DecimalText.fixed(loss, 1) + "%").leftPadded(6)
      text += String(hop.sent).leftPadded(6)
      text += DecimalText.fixed(values[0], 1).leftPadded(7)
      for value in values.dropFirst() { text += DecimalText.fixed(value, 1).leftPadded(6) }
      text += "\n"
    }
    return text
  }

  private func csv(_ start: Int64) async throws(ProcessExit) -> String {
    var text =
      "Mtr_Version,Start_Time,Status,Host,Hop,Ip,Loss%,Snt, ,Last,Avg,Best,Wrst,StDev,\n"
    for (index, hop) in hops.enumerated() {
      let (loss, values) = numbers(hop)
      let shown = values.map { DecimalText.fixed($0, 2) }.joined(separator: ",")
      let name = try await name(hop)
      text += "MTR.0.95,\(start),OK,\(host),\(first + index),\(name),"
      text += "\(DecimalText.fixed(loss, 2)),\(hop.sent),0,\(shown)\n"
    }
    return text
  }
}
