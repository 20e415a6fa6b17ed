import HopyardSimulator
import HopyardWire

/// The loop of `ping`: sends probes in their time, prints what comes back, counts.
final class Pinger {
  /// Answers are told apart from duplicates as far back as this.
  private static let duplicateWindow = 0x10000
  /// The shortest wait, in milliseconds.
  private static let shortest = 10

  private let process: Process
  private let socket: RawSocket
  private let options: PingOptions
  private let isMulticast: Bool
  private let identifier: UInt16
  private let hasTiming: Bool
  private var interval: Int
  private var template: [UInt8]

  private var transmitted = 0
  private var received = 0
  private var repeats = 0
  private var corrupted = 0
  private var errors = 0
  private var seen: Set<UInt16> = []
  private var acknowledged: UInt16 = 0
  private var pipe = -1
  private var tokens = 0
  private var starvation = 0
  private var start = Instant.zero
  private var lastProbe: Instant?
  private var alarm: Instant?
  private var isExiting = false
  private var confirms = false

  private var lastRoute: [IPv4Address] = []

  private var minimum = Int64.max
  private var maximum: Int64 = 0
  private var sum: Int64 = 0
  private var squares: Double = 0
  private var average: Int64 = 0

  init(_ process: Process, _ socket: RawSocket, _ options: PingOptions, isMulticast: Bool) {
    self.process = process
    self.socket = socket
    self.options = options
    self.isMulticast = isMulticast
    interval = options.interval
    hasTiming = options.size >= 16
    var random = process.simulation.randomSource("ping/\(process.pid)")
    identifier = options.identifier ?? UInt16(truncatingIfNeeded: random.next())
    template = [8, 0, 0, 0, UInt8(identifier >> 8), UInt8(identifier & 255), 0, 0]
    if options.pattern.isEmpty {
      template += (0..<options.size).map { UInt8(truncatingIfNeeded: $0) }
    } else {
      template += (0..<options.size).map { options.pattern[$0 % options.pattern.count] }
    }
  }

  private var now: Instant { process.simulation.now }

  /// Pings until there is a reason to stop, and gives the exit status.
  func run() async throws(ProcessExit) -> Int32 {
    process.handledSignals = [.interrupt, .quit]
    start = now
    if let deadline = options.deadline, deadline > 0 {
      alarm = now + .seconds(Int64(deadline))
    }
    loop: while true {
      noteAlarm()
      if isExiting { break }
      if let count = options.count, received + errors >= count { break }
      if hasDeadline && errors > 0 { break }
      var next: Int
      repeat {
        next = scheduleExit(try await probe())
        noteAlarm()
      } while next <= 0 && !isExiting
      if isExiting { break }
      // The socket gives up by itself after an interval; shorter waits are waited for exactly.
      let limit =
        options.isAdaptive || options.isFlood || next < max(interval, Self.shortest)
        ? (1000 * next <= 4000 ? Self.shortest : next) : max(interval, Self.shortest)
      var deadline = now + .milliseconds(Int64(limit))
      if let alarm { deadline = min(deadline, alarm) }
      while true {
        guard try await waitForAnswer(until: deadline) else { continue loop }
        try await takeAnswer()
        if inFlight == 0 { continue loop }
        deadline = now
      }
    }
    return try await finish()
  }

  private var hasDeadline: Bool { (options.deadline ?? 0) > 0 }

  private func noteAlarm() {
    if let alarm, now >= alarm { isExiting = true }
  }

  /// Waits for something to receive; false if nothing came in time.
  private func waitForAnswer(until deadline: Instant) async throws(ProcessExit) -> Bool {
    while !socket.hasSomething {
      if deadline <= now { return false }
      switch try await process.wait(on: [socket.readable], until: deadline) {
      case .woken: continue
      case .timedOut: return socket.hasSomething
      case .interrupted(let signal):
        if signal == .quit { try await printSnapshot() } else { isExiting = true }
        return false
      }
    }
    return true
  }

  /// How many probes are not answered yet.
  private var inFlight: Int {
    let difference = UInt16(truncatingIfNeeded: transmitted) &- acknowledged
    return difference <= 0x7fff ? Int(difference) : transmitted - received - errors
  }

  /// Once the last probe is sent, decides how long to wait for answers.
  private func scheduleExit(_ next: Int) -> Int {
    guard let count = options.count, transmitted >= count, !hasDeadline, alarm == nil else {
      return next
    }
    var microseconds: Int64
    if received > 0 {
      microseconds = max(2 * maximum, 1000 * Int64(interval))
    } else {
      microseconds = Int64(options.linger) * 1000
    }
    if microseconds > 0 { alarm = now + .microseconds(microseconds) }
    microseconds = max(microseconds, 1)
    return max(next, Int(microseconds / 1000))
  }

  // MARK: Sending

  /// Sends a probe if it is time, and says how many milliseconds to wait for the next.
  private func probe() async throws(ProcessExit) -> Int {
    if let count = options.count, transmitted >= count, !hasDeadline { return 1000 }
    if let last = lastProbe {
      var available = Int((now - last) / 1_000_000)
      if interval == 0, available < Self.shortest, inFlight >= options.preload {
        return Self.shortest - available
      }
      available = min(available + tokens, interval * options.preload)
      if available < interval { return interval - available }
      lastProbe = now
      tokens = available - interval
    } else {
      lastProbe = now
      tokens = interval * (options.preload - 1)
    }
    if options.reportsOutstanding, transmitted > 0,
      !seen.contains(UInt16(truncatingIfNeeded: transmitted))
    {
      try await process.print(stamp + "no answer yet for icmp_seq=\(transmitted % 0x10000)\n")
    }
    while true {
      guard let error = send() else {
        starvation = 0
        transmitted += 1
        if !options.isQuiet, options.isFlood { try await process.print(".") }
        return interval - tokens
      }
      var reported = 0
      if error == .noBufferSpace {
        tokens = 0
        let pause = min(max(interval / 2, Self.shortest), 500)
        starvation += 1
        if starvation * pause < options.linger { return pause }
      } else if error == .operationNotPermitted {
        // A rule that rejects has told why by now; the refusal itself is told too.
        try await process.finishSending()
        reported = try await takeError() > 0 ? 0 : -1
      } else {
        reported = try await takeError()
        if reported > 0 {
          tokens += interval
          return Self.shortest
        }
        if reported == 0 { continue }
      }
      // Counts as sent though it never left.
      transmitted += 1
      if reported == 0, !options.isQuiet {
        if options.isFlood {
          try await process.print("E")
        } else {
          try await process.printError("ping: sendmsg: \(error.text)\n")
        }
      }
      tokens = 0
      return max(interval, Self.shortest)
    }
  }

  private func send() -> SocketError? {
    let sequence = UInt16(truncatingIfNeeded: transmitted + 1)
    seen.remove(sequence)
    var message = template
    message[6] = UInt8(sequence >> 8)
    message[7] = UInt8(sequence & 255)
    if hasTiming {
      let clock = process.wallClock
      Self.store(clock.seconds, in: &message, at: 8)
      Self.store(clock.nanoseconds / 1000, in: &message, at: 16)
    }
    let checksum = message.withUnsafeBytes { InternetChecksum.checksum(of: $0) }
    message[2] = UInt8(checksum >> 8)
    message[3] = UInt8(checksum & 255)
    socket.confirmsNeighbour = confirms
    confirms = false
    do {
      try socket.send(message, to: options.destination)
      return nil
    } catch {
      return error
    }
  }

  private static func store(_ value: Int64, in bytes: inout [UInt8], at offset: Int) {
    for index in 0..<8 { bytes[offset + index] = UInt8(truncatingIfNeeded: value >> (8 * index)) }
  }

  // MARK: Receiving

  private func takeAnswer() async throws(ProcessExit) {
    if socket.pendingError != nil || (!socket.hasData && !socket.errorQueue.isEmpty) {
      let error = socket.takeError()
      if try await takeError() == 0, let error, socket.errorQueue.isEmpty, error != .wouldBlock {
        return
      }
      return
    }
    guard let datagram = socket.receive() else { return }
    try await take(datagram)
  }

  /// Reads an error that was kept for the socket: above 0 for one from the network, below for one
  /// of this host, 0 for one that is not of this ping.
  private func takeError() async throws(ProcessExit) -> Int {
    guard let report = socket.takeErrorReport() else { return -1 }
    _ = socket.takeError()
    if report.isLocal {
      if options.isQuiet { return -1 }
      if options.isFlood {
        try await process.print("E")
      } else if report.error == .messageTooLong {
        try await process.printError("ping: local error: message too long, mtu=\(report.info)\n")
      } else {
        try await process.printError("ping: local error: \(report.error.text)\n")
      }
      errors += 1
      return -1
    }
    let quoted = report.payload
    guard quoted.count >= 8, report.destination == options.destination, quoted[0] == 8,
      UInt16(quoted[4]) << 8 | UInt16(quoted[5]) == identifier
    else { return 0 }
    let sequence = UInt16(quoted[6]) << 8 | UInt16(quoted[7])
    acknowledge(sequence)
    // From now on errors come by the error queue only.
    socket.icmpFilter = ~(1 << 4 | 1 << 5 | 1 << 0)
    errors += 1
    if options.isQuiet { return 1 }
    if options.isFlood {
      try await process.print("\u{8}E")
      return 1
    }
    let from: String
    if let offender = report.offender {
      from = try await name(of: offender)
    } else {
      from = "0.0.0.0"
    }
    try await process.print(
      stamp + "From \(from) icmp_seq=\(sequence) "
        + ICMPText.describe(type: report.type, code: report.code, information: report.info) + "\n"
    )
    return 1
  }

  private func take(_ datagram: Datagram) async throws(ProcessExit) {
    let packet = datagram.bytes
    guard packet.count >= 20 else { return }
    let headerLength = Int(packet[0] & 15) * 4
    guard headerLength >= 20, packet.count >= headerLength + 8 else { return }
    let message = packet[headerLength...]
    let isCorrupted = message.withUnsafeBytes { InternetChecksum.checksum(of: $0) } != 0
    let base = message.startIndex
    func word(_ offset: Int) -> UInt16 {
      UInt16(message[base + offset]) << 8 | UInt16(message[base + offset + 1])
    }
    switch message[base] {
    case 0:
      guard word(4) == identifier else { return }
      try await takeReply(datagram, Array(message), word(6), packet[8], isCorrupted)
    case 3, 4, 5, 11, 12:
      guard message.count >= 36 else { return }
      let quotedLength = Int(message[base + 8] & 15) * 4
      guard message.count >= 8 + quotedLength + 8, quotedLength >= 20 else { return }
      let quotedDestination = UInt32(word(24)) << 16 | UInt32(word(26))
      guard message[base + 8 + quotedLength] == 8,
        quotedDestination == options.destination.rawValue,
        word(8 + quotedLength + 4) == identifier
      else { return }
      let sequence = word(8 + quotedLength + 6)
      let type = message[base]
      if type != 5 && type != 4 {
        acknowledge(sequence)
        return
      }
      if options.isQuiet || options.isFlood { return }
      let information = UInt32(word(4)) << 16 | UInt32(word(6))
      let from = try await name(of: datagram.source)
      var text = stamp + "From \(from): icmp_seq=\(sequence) "
      if isCorrupted { text += "(BAD CHECKSUM)" }
      text += ICMPText.describe(type: type, code: message[base + 1], information: information)
      try await process.print(text + "\n")
    default: break
    }
  }

  private func takeReply(
    _ datagram: Datagram,
    _ message: [UInt8],
    _ sequence: UInt16,
    _ ttl: UInt8,
    _ isCorrupted: Bool
  ) async throws(ProcessExit) {
    received += 1
    if !isCorrupted { acknowledge(sequence) }
    var trip: Int64 = 0
    if hasTiming, message.count >= 24 {
      trip = max(0, roundTrip(message, datagram.time))
      if !isCorrupted { note(trip) }
    }
    var isRepeated = false
    if isCorrupted {
      corrupted += 1
      received -= 1
    } else if !seen.insert(sequence).inserted {
      repeats += 1
      received -= 1
      isRepeated = true
    }
    confirms = true
    if options.isQuiet { return }
    if options.isFlood {
      try await process.print(isCorrupted ? "\u{8}C" : "\u{8} \u{8}")
      return
    }
    let from = try await name(of: datagram.source)
    var text = stamp + "\(message.count) bytes from \(from):"
    text += " icmp_seq=\(sequence)"
    if options.isVerbose { text += " ident=\(identifier)" }
    text += " ttl=\(ttl)"
    if message.count < options.size + 8 {
      try await process.print(text + " (truncated)\n")
      return
    }
    if hasTiming { text += " time=\(Self.milliseconds(trip)) ms" }
    if isRepeated && (!isMulticast || options.isVerbose) { text += " (DUP!)" }
    if isCorrupted { text += " (BAD CHECKSUM!)" }
    if !isMulticast && datagram.source != options.destination { text += " (DIFFERENT ADDRESS!)" }
    if let index = (min(16, options.size)..<options.size).first(where: {
      message[8 + $0] != template[8 + $0]
    }) {
      text += Self.wrongData(message, template, index)
    }
    if options.isAudible { text += "\u{7}" }
    text += try await describeOptions(datagram.bytes)
    try await process.print(text + "\n")
  }

  /// What the IP options of an answer say.
  private func describeOptions(_ packet: [UInt8]) async throws(ProcessExit) -> String {
    var text = ""
    for option in RecordedOption.options(of: packet) {
      if case .route(let addresses) = option {
        if addresses == lastRoute, !options.isFlood {
          text += "\t(same route)"
          continue
        }
        lastRoute = addresses
      }
      text += try await option.text { address async throws(ProcessExit) in
        try await self.name(of: address)
      }
    }
    return text
  }

  private static func wrongData(_ message: [UInt8], _ template: [UInt8], _ index: Int) -> String {
    let wanted = DecimalText.hexadecimal(UInt64(template[8 + index]))
    let got = DecimalText.hexadecimal(UInt64(message[8 + index]))
    var text = "\nwrong data byte #\(index) should be 0x\(wanted) but was 0x\(got)"
    for (number, byte) in message.dropFirst(8).enumerated() {
      if number % 32 == 0 { text += "\n#\(number)\t" }
      text += DecimalText.hexadecimal(UInt64(byte)) + " "
    }
    return text
  }

  /// Microseconds from when the probe was sent, as it says itself, to when the answer came.
  private func roundTrip(_ message: [UInt8], _ arrival: Instant) -> Int64 {
    func load(_ offset: Int) -> Int64 {
      (0..<8).reduce(0) { $0 | Int64(message[offset + $1]) << (8 * $1) }
    }
    let elapsed = now - arrival
    let clock = process.wallClock
    let arrived = clock.seconds &* 1_000_000_000 &+ clock.nanoseconds &- elapsed
    let sent = load(8) &* 1_000_000 &+ load(16)
    return arrived / 1000 &- sent
  }

  private func note(_ trip: Int64) {
    sum &+= trip
    squares += Double(trip) * Double(trip)
    minimum = min(minimum, trip)
    maximum = max(maximum, trip)
    average = average == 0 ? trip &* 8 : average &+ trip &- average / 8
    if options.isAdaptive { adapt() }
  }

  private func adapt() {
    let estimate = average > 0 ? average / 8 : Int64(interval) * 1000
    interval = Int((estimate + 500) / 1000)
  }

  private func acknowledge(_ sequence: UInt16) {
    let difference = UInt16(truncatingIfNeeded: transmitted) &- sequence
    guard difference <= 0x7fff else { return }
    pipe = max(pipe, Int(difference) + 1)
    if Int16(bitPattern: sequence &- acknowledged) > 0
      || UInt16(truncatingIfNeeded: transmitted) &- acknowledged > 0x7fff
    {
      acknowledged = sequence
    }
  }

  // MARK: Texts

  private var stamp: String {
    guard options.printsTimes else { return "" }
    let clock = process.wallClock
    return "[\(clock.seconds).\(DecimalText.zeroPadded(clock.nanoseconds / 1000, 6))] "
  }

  private func name(of address: IPv4Address) async throws(ProcessExit) -> String {
    guard !options.isNumeric else { return address.description }
    guard let name = try await process.name(of: address) else { return address.description }
    return "\(name) (\(address))"
  }

  /// A round trip time in milliseconds, with fewer decimals the longer it is.
  private static func milliseconds(_ trip: Int64) -> String {
    switch trip {
    case 99_950...: String((trip + 500) / 1000)
    case 9_995...: "\((trip + 50) / 1000).\((trip + 50) % 1000 / 100)"
    case 1_000...: "\((trip + 5) / 1000).\(DecimalText.zeroPadded((trip + 5) % 1000 / 10, 2))"
    default: DecimalText.thousandths(trip)
    }
  }

  private func printSnapshot() async throws(ProcessExit) {
    let loss =
      transmitted > 0 ? (Int64(transmitted - received) * 100) / Int64(transmitted) : 0
    var text = "\(received)/\(transmitted) packets, \(loss)% loss"
    if received > 0, hasTiming {
      let mean = sum / Int64(received + repeats)
      text += ", min/avg/ewma/max = \(DecimalText.thousandths(minimum))"
      text += "/\(DecimalText.thousandths(mean))/\(DecimalText.thousandths(average / 8))"
      text += "/\(DecimalText.thousandths(maximum)) ms"
    }
    try await process.printError("\r" + text + "\n")
  }

  private func finish() async throws(ProcessExit) -> Int32 {
    let elapsed = (lastProbe ?? start) - start
    var text = "\n--- \(options.host) ping statistics ---\n"
    text += "\(transmitted) packets transmitted, \(received) received"
    if repeats > 0 { text += ", +\(repeats) duplicates" }
    if corrupted > 0 { text += ", +\(corrupted) corrupted" }
    if errors > 0 { text += ", +\(errors) errors" }
    if transmitted > 0 {
      let loss = Double(Float(Double(transmitted - received) * 100 / Double(transmitted)))
      text += ", \(DecimalText.general(loss))% packet loss"
      text += ", time \((elapsed + 500_000) / 1_000_000)ms"
    }
    text += "\n"
    var comma = ""
    if received > 0, hasTiming {
      let total = Int64(received + repeats)
      let mean = sum / total
      let variance = max(0, (squares - Double(sum) * Double(sum) / Double(total)) / Double(total))
      let deviation = Int64(variance.squareRoot())
      text += "rtt min/avg/max/mdev = \(DecimalText.thousandths(minimum))"
      text += "/\(DecimalText.thousandths(mean))/\(DecimalText.thousandths(maximum))"
      text += "/\(DecimalText.thousandths(deviation)) ms"
      comma = ", "
    }
    if pipe > 1 {
      text += "\(comma)pipe \(pipe)"
      comma = ", "
    }
    if received > 0, interval == 0 || options.isFlood || options.isAdaptive, transmitted > 1 {
      let gap = elapsed / 1000 / Int64(transmitted - 1)
      text += "\(comma)ipg/ewma \(DecimalText.thousandths(gap))"
      text += "/\(DecimalText.thousandths(average / 8)) ms"
    }
    try await process.print(text + "\n")
    return received == 0 || (hasDeadline && received < options.count ?? 0) ? 1 : 0
  }
}
