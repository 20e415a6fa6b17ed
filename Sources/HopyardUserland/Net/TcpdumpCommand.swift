import HopyardCapture
import HopyardSimulator
import HopyardWire

/// `tcpdump`.
enum TcpdumpCommand {
  static let specification = OptionSpecification(
    "Ac:efi:lnpqQ:r:s:StUuvw:xX#B:j:y:K",
    long: [
      "interface:=i", "immediate-mode=I", "direction:=Q", "snapshot-length:=s", "count=COUNT",
      "packet-buffered=U", "number=#", "print=P", "no-promiscuous-mode=p",
      "dont-verify-checksums=K", "absolute-tcp-sequence-numbers=S", "buffer-size:=B",
      "micro=M", "linktype:=y",
    ],
    refused: "C:dDE:F:G:hHIJLM:NO:T:V:W:z:Z:ab",
    refusedLong: [
      "help", "version", "list-interfaces", "monitor-mode", "nano", "time-stamp-precision:",
      "time-stamp-type:", "list-time-stamp-types", "relinquish-privileges:", "lengths",
    ]
  )

  static let command = Command(
    "tcpdump",
    check: { check in
      check.checkOptions(specification)
      guard case .success(let parsed) = specification.parse(check.texts) else { return }
      if parsed.has("y") || parsed.has("j") || parsed.has("COUNT") || parsed.has("P") {
        check.report(nil, "this option of tcpdump is not modelled")
      }
      if parsed["i"] == "any", check.texts.contains("any"), parsed.has("w") || parsed.has("e") {
        check.report(nil, "tcpdump -w or -e on all interfaces at once is not modelled")
      }
    },
    run: { process, arguments async throws(ProcessExit) in
      let parsed = try await process.options(specification, arguments)
      return try await Tcpdump(process, parsed).run()
    }
  )
}

/// One run of `tcpdump`.
private final class Tcpdump {
  private let process: Process
  private let parsed: ParsedOptions
  private let printer: FramePrinter
  private var output: [UInt8] = []
  private var file: OpenFile?
  private var first: Instant?
  private var previous: Instant?
  private var captured = 0
  private var limit: Int?
  /// Interface and direction, where more than one interface is listened to.
  private var origin = ""

  /// How a packet came, as a cooked capture says it.
  private static func direction(_ type: PacketType) -> String {
    switch type {
    case .outgoing: "Out"
    case .broadcast: "B  "
    case .multicast: "M  "
    case .otherHost: "P  "
    default: "In "
    }
  }

  init(_ process: Process, _ parsed: ParsedOptions) {
    self.process = process
    self.parsed = parsed
    printer = FramePrinter { process.hostName(of: $0) }
    printer.isNumeric = parsed.has("n")
    printer.showsLink = parsed.has("e")
    printer.isQuiet = parsed.has("q")
    printer.verbosity = parsed.count("v")
    printer.absoluteSequences = parsed.has("S")
  }

  private func fail(_ text: String) async throws(ProcessExit) -> ProcessExit {
    try await process.printError("tcpdump: \(text)\n")
    return .status(1)
  }

  func run() async throws(ProcessExit) -> Int32 {
    if let text = parsed["c"] {
      guard let number = Int(text), number > 0 else {
        throw try await fail("invalid packet count \(text)")
      }
      limit = number
    }
    let filter: CaptureFilter?
    do throws(CaptureFilterError) {
      filter =
        parsed.operands.isEmpty
        ? nil
        : try CaptureFilter(parsed.operands.joined(separator: " "), linkType: .ethernet)
    } catch {
      let lead = "can't parse filter expression: "
      let reason =
        error.reason.hasPrefix(lead) ? String(error.reason.dropFirst(lead.count)) : error.reason
      throw try await fail(lead + reason)
    }
    if let path = parsed["r"] { return try await read(path, filter) }
    return try await listen(filter)
  }

  // MARK: Listening

  private func listen(_ filter: CaptureFilter?) async throws(ProcessExit) -> Int32 {
    let devices: DeviceTable = process.namespace.devices
    let chosen: NetworkDevice?
    if let name = parsed["i"] {
      chosen = devices[name] ?? Int32(name).flatMap { devices[$0] }
    } else {
      chosen = devices.all.first { $0.isUp && !$0.isLoopback } ?? devices.all.first { $0.isUp }
    }
    let hearsAll = parsed["i"] == "any"
    guard let device = chosen ?? (hearsAll ? devices.all.first : nil) else {
      let name = parsed["i"] ?? ""
      throw try await fail("\(name): No such device exists\n(No such device exists)")
    }
    guard device.isUp || hearsAll else {
      throw try await fail("\(device.name): That device is not up")
    }
    if parsed["i"] == nil { try await process.printError("") }
    let socket = process.namespace.sockets.makePacket()
    defer {
      socket.close()
      file?.release()
    }
    process.own(socket)
    socket.options.receiveBuffer = 2 << 20
    let isEthernet = device.isEthernet || hearsAll
    switch parsed["Q"] {
    case "in": socket.hearsOutgoing = false
    case nil, "inout", "out": break
    default: throw try await fail("unknown capture direction `\(parsed["Q"] ?? "")'")
    }
    let onlyOutgoing = parsed["Q"] == "out"
    if let filter { socket.filter = { filter.matches($0) } }
    do {
      try socket.bind(ifindex: hearsAll ? 0 : device.ifindex)
    } catch {
      throw try await fail("\(device.name): \(error.text)")
    }
    let link =
      hearsAll
      ? "LINUX_SLL2 (Linux cooked v2)" : isEthernet ? "EN10MB (Ethernet)" : "RAW (Raw IP)"
    let shownName = hearsAll ? "any" : device.name
    if hearsAll {
      if parsed.has("w") || parsed.has("e") {
        throw .refused("tcpdump: -w and -e on all interfaces at once are not modelled")
      }
      try await process.printError("tcpdump: data link type LINUX_SLL2\n")
    }
    if let path = parsed["w"] {
      try await openFile(path, isEthernet ? 1 : 101)
      try await process.printError(
        "tcpdump: listening on \(shownName), link-type \(link), snapshot length 262144 bytes\n"
      )
    } else if parsed.has("v") {
      try await process.printError(
        "tcpdump: listening on \(shownName), link-type \(link), snapshot length 262144 bytes\n"
      )
    } else {
      try await process.printError(
        "tcpdump: verbose output suppressed, use -v[v]... for full protocol decode\n"
          + "listening on \(shownName), link-type \(link), snapshot length 262144 bytes\n"
      )
    }
    process.handledSignals = [.interrupt, .terminate, .hangup]
    var received = 0
    var isInterrupted = false
    listening: while true {
      while let datagram = socket.receive() {
        if onlyOutgoing && datagram.packetType != .outgoing { continue }
        received += 1
        if hearsAll {
          let name = devices[datagram.ifindex]?.name ?? ""
          origin = name.padded(5) + " " + Self.direction(datagram.packetType) + " "
        }
        try await take(datagram.bytes, datagram.time, isEthernet: isEthernet)
        if let limit, captured >= limit { break listening }
      }
      if case .interrupted = try await process.wait(on: [socket.readable]) {
        isInterrupted = true
        break
      }
    }
    if isInterrupted && file == nil { output.append(0x0A) }
    try await flush()
    func packets(_ count: Int) -> String { "\(count) packet\(count == 1 ? "" : "s")" }
    try await process.printError(
      "\(packets(captured)) captured\n\(packets(received)) received by filter\n"
        + "0 packets dropped by kernel\n"
    )
    return 0
  }

  private func take(_ frame: [UInt8], _ time: Instant, isEthernet: Bool) async throws(ProcessExit) {
    captured += 1
    let snapshot = Int(parsed["s"] ?? "") ?? 262_144
    let kept = snapshot > 0 ? Array(frame.prefix(snapshot)) : frame
    if let file {
      var record: [UInt8] = []
      let clock = wallClock(time)
      for value in [clock.seconds, clock.nanoseconds / 1000, Int64(kept.count), Int64(frame.count)]
      {
        Self.append(UInt32(truncatingIfNeeded: value), to: &record)
      }
      try await write(record + kept, to: file)
      return
    }
    try await show(kept, time, isEthernet: isEthernet)
  }

  /// Prints a packet.
  private func show(_ frame: [UInt8], _ time: Instant, isEthernet: Bool) async throws(ProcessExit) {
    var text = ""
    if parsed.has("#") { text += String(captured).leftPadded(5) + "  " }
    text += stamp(time) + origin
    text += isEthernet ? printer.ethernet(frame) : "IP " + printer.ip(frame[...])
    let payload = isEthernet ? frame.dropFirst(14) : frame[...]
    if parsed.has("X") {
      text +=
        "\n" + FramePrinter.hexDump(parsed.count("X") > 1 ? frame[...] : payload, withText: true)
    } else if parsed.has("x") {
      text +=
        "\n" + FramePrinter.hexDump(parsed.count("x") > 1 ? frame[...] : payload, withText: false)
    } else if parsed.has("A") {
      text += "\n" + FramePrinter.plainText(payload)
    }
    output += (text + "\n").utf8
    if parsed.has("l") || parsed.has("U") || output.count >= 4096 { try await flush() }
  }

  private func flush() async throws(ProcessExit) {
    guard !output.isEmpty else { return }
    let bytes = output
    output = []
    try await process.write(bytes)
  }

  private func wallClock(_ time: Instant) -> (seconds: Int64, nanoseconds: Int64) {
    let clock = process.wallClock
    let all =
      clock.seconds * 1_000_000_000 + clock.nanoseconds - (process.simulation.now - time)
    return (all / 1_000_000_000, all % 1_000_000_000)
  }

  private func stamp(_ time: Instant) -> String {
    let clock = wallClock(time)
    func micros(_ nanoseconds: Int64) -> String {
      DecimalText.zeroPadded(nanoseconds / 1000, 6)
    }
    func ofDay(_ seconds: Int64) -> String {
      let part = [seconds / 3600 % 24, seconds / 60 % 60, seconds % 60]
      return part.map { DecimalText.zeroPadded($0, 2) }.joined(separator: ":")
    }
    switch parsed.count("t") {
    case 0: return "\(ofDay(clock.seconds)).\(micros(clock.nanoseconds)) "
    case 1: return ""
    case 2: return "\(clock.seconds).\(micros(clock.nanoseconds)) "
    case 3, 5:
      let base = parsed.count("t") == 3 ? previous : first
      let elapsed = base.map { time - $0 } ?? 0
      previous = time
      if first == nil { first = time }
      return " \(ofDay(elapsed / 1_000_000_000)).\(micros(elapsed % 1_000_000_000)) "
    default:
      return "\(CalendarDate(daysSince1970: Int(clock.seconds / 86_400)).dashed) "
        + "\(ofDay(clock.seconds)).\(micros(clock.nanoseconds)) "
    }
  }

  // MARK: Files

  private static func append(_ value: UInt32, to bytes: inout [UInt8]) {
    for shift in stride(from: 0, to: 32, by: 8) {
      bytes.append(UInt8(truncatingIfNeeded: value >> UInt32(shift)))
    }
  }

  private func openFile(_ path: String, _ linkType: UInt32) async throws(ProcessExit) {
    let opened: OpenFile
    if path == "-" {
      guard let standard = process.descriptor(1) else { throw .failed(.badDescriptor) }
      opened = standard
    } else {
      do throws(Errno) {
        opened = try process.open(path, .write)
      } catch {
        throw try await fail("\(path): \(error)")
      }
    }
    opened.retain()
    file = opened
    var header: [UInt8] = []
    for value in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, linkType] as [UInt32] {
      Self.append(value, to: &header)
    }
    try await write(header, to: opened)
  }

  private func write(_ bytes: [UInt8], to file: OpenFile) async throws(ProcessExit) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count: Int
      do throws(Errno) {
        count = try file.tryWrite(rest)
      } catch {
        throw .failed(error)
      }
      rest = rest.dropFirst(count)
      if count == 0 { _ = try await process.wait(on: file.writable.map { [$0] } ?? []) }
    }
  }

  /// Prints the packets of a file.
  private func read(_ path: String, _ filter: CaptureFilter?) async throws(ProcessExit) -> Int32 {
    let bytes: [UInt8]
    if path == "-" {
      bytes = try await process.readAll()
    } else {
      do throws(Errno) {
        bytes = try process.contents(of: path)
      } catch {
        throw try await fail("\(path): \(error)")
      }
    }
    func long(_ offset: Int) -> Int {
      (0..<4).reduce(0) { $0 | Int(bytes[offset + $1]) << (8 * $1) }
    }
    guard bytes.count >= 24, long(0) == 0xa1b2_c3d4 else {
      throw try await fail(
        bytes.count < 4
          ? "truncated dump file; tried to read 4 file header bytes, only got \(bytes.count)"
          : "unknown file format"
      )
    }
    let isEthernet = long(20) == 1
    let link = isEthernet ? "EN10MB (Ethernet)" : "RAW (Raw IP)"
    try await process.printError(
      "reading from file \(path), link-type \(link), snapshot length \(long(16))\n"
    )
    if let target = parsed["w"] { try await openFile(target, UInt32(truncatingIfNeeded: long(20))) }
    defer { file?.release() }
    var offset = 24
    let epoch = process.wallClock.seconds - process.simulation.now.nanoseconds / 1_000_000_000
    while offset + 16 <= bytes.count {
      let length = long(offset + 8)
      guard offset + 16 + length <= bytes.count else { break }
      let frame = Array(bytes[(offset + 16)..<(offset + 16 + length)])
      let seconds = Int64(long(offset)) - epoch
      let time = Instant(
        nanoseconds: seconds &* 1_000_000_000 &+ Int64(long(offset + 4)) &* 1000
      )
      offset += 16 + length
      if let filter, !filter.matches(frame) { continue }
      try await take(frame, time, isEthernet: isEthernet)
      if let limit, captured >= limit { break }
    }
    try await flush()
    return 0
  }
}

/// A day of the calendar.
struct CalendarDate {
  var year: Int
  var month: Int
  var day: Int

  /// The date of a day counted from 1970-01-01.
  init(daysSince1970 days: Int) {
    let shifted = days + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let part = (5 * dayOfYear + 2) / 153
    month = part < 10 ? part + 3 : part - 9
    year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    day = dayOfYear - (153 * part + 2) / 5 + 1
  }

  var dashed: String { joined("-") }
  var slashed: String { joined("/") }

  private func joined(_ separator: String) -> String {
    [
      String(year), DecimalText.zeroPadded(Int64(month), 2), DecimalText.zeroPadded(Int64(day), 2),
    ].joined(separator: separator)
  }
}
