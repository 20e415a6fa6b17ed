import HopyardSimulator
import HopyardWire

/// conntrack(8): lists, removes and watches tracked connections.
enum ConntrackCommand {
  /// The command for the table.
  static let command = Command("conntrack", check: { check($0) }) {
    process,
    arguments throws(ProcessExit) in
    try await run(process, arguments)
  }

  private static let title = "conntrack v1.4.7 (conntrack-tools)"
  private static let hint =
    "Try `conntrack -h' or 'conntrack --help' for more information.\n"

  private static func check(_ check: CommandCheck) {
    do throws(ConntrackOptions.Failure) {
      _ = try ConntrackOptions(check.texts)
    } catch {
      if case .refused(let index, let message) = error { check.report(index, message) }
    }
  }

  private static func run(
    _ process: Process,
    _ arguments: [String]
  ) async throws(ProcessExit) -> Int32 {
    let options: ConntrackOptions
    do throws(ConntrackOptions.Failure) {
      options = try ConntrackOptions(arguments)
    } catch {
      switch error {
      case .refused(_, let message): throw .refused(message)
      case .usage(let message): return try await fail(process, message)
      }
    }
    guard let operation = options.operation else {
      if arguments.isEmpty {
        try await process.print(ConntrackUsage.text)
        return 0
      }
      return try await fail(process, "Need to specify a command")
    }
    let namespace = process.namespace
    switch operation {
    case .version:
      try await process.print(title + "\n")
      return 0
    case .help:
      try await process.print(ConntrackUsage.text)
      return 0
    case .list: return try await list(process, namespace, options)
    case .get: return try await get(process, namespace, options)
    case .delete: return try await delete(process, namespace, options)
    case .update: return try await update(process, namespace, options)
    case .create: return try await create(process, namespace, options)
    case .flush:
      if options.table == .conntrack { namespace.netfilter.connections.flush(by: process.pid) }
      let what = options.table == .expect ? "expectation" : "connection tracking"
      try await tell(process, "\(what) table has been emptied.")
      return 0
    case .count:
      let count =
        options.table == .expect
        ? namespace.netfilter.connections.expectedConnections().count
        : namespace.netfilter.connections.count
      try await process.print("\(count)\n")
      return 0
    case .statistics:
      try await process.print(statistics(namespace.netfilter.connections.statistics))
      return 0
    case .event: return try await watch(process, namespace, options)
    }
  }

  private static func fail(
    _ process: Process,
    _ message: String
  ) async throws(ProcessExit) -> Int32 {
    try await process.printError("\(title): \(message)\n\(hint)")
    return 2
  }

  private static func tell(_ process: Process, _ message: String) async throws(ProcessExit) {
    try await process.printError("\(title): \(message)\n")
  }

  private static func style(_ options: ConntrackOptions) -> ConntrackText.Style {
    ConntrackText.Style(isExtended: options.isExtended, showsID: options.showsID)
  }

  private static func lines(
    _ records: [ConntrackRecord],
    _ options: ConntrackOptions,
    users: Int = 1
  ) -> String {
    // The kernel lists by the places of a hash with a random seed; newest first is as good.
    records.reversed().map { record in
      if options.format == .save { return ConntrackText.command(record) + "\n" }
      var style = style(options)
      style.users = users
      // A connection that announces others is held by its helper as well.
      if record.helper != nil { style.users = 2 }
      return ConntrackText.line(record, style) + "\n"
    }.joined()
  }

  // MARK: Operations

  private static func list(
    _ process: Process,
    _ namespace: NetworkNamespace,
    _ options: ConntrackOptions
  ) async throws(ProcessExit) -> Int32 {
    let connections = namespace.netfilter.connections
    if options.table == .expect {
      let expected = options.isIPv6 ? [] : connections.expectedConnections()
      try await tell(process, "\(expected.count) expectations have been shown.")
      try await process.print(expected.map { ConntrackText.line($0) + "\n" }.joined())
      return 0
    }
    let records =
      options.table == .conntrack ? connections.records().filter { options.accepts($0) } : []
    if options.format == .xml {
      try await process.print(ConntrackText.document(records.reversed()))
      try await tell(process, "\(records.count) flow entries have been shown.")
      return 0
    }
    try await tell(process, "\(records.count) flow entries have been shown.")
    try await process.print(lines(records, options))
    return 0
  }

  private static func get(
    _ process: Process,
    _ namespace: NetworkNamespace,
    _ options: ConntrackOptions
  ) async throws(ProcessExit) -> Int32 {
    guard options.source != nil, options.destination != nil else {
      return try await fail(process, "you have to specify `--src' and `--dst'")
    }
    guard
      let record = namespace.netfilter.connections.records().first(where: { options.accepts($0) })
    else {
      try await process.printError(
        "\(title): Operation failed: such conntrack doesn't exist\n"
      )
      return 1
    }
    var style = style(options)
    style.users = 2
    try await tell(process, "1 flow entries have been shown.")
    try await process.print(ConntrackText.line(record, style) + "\n")
    return 0
  }

  private static func delete(
    _ process: Process,
    _ namespace: NetworkNamespace,
    _ options: ConntrackOptions
  ) async throws(ProcessExit) -> Int32 {
    let removed =
      options.table == .conntrack
      ? namespace.netfilter.connections.remove(
        by: process.pid,
        where: { options.accepts($0) }
      ) : []
    try await tell(process, "\(removed.count) flow entries have been deleted.")
    try await process.print(lines(removed, options))
    return removed.isEmpty ? 1 : 0
  }

  private static func update(
    _ process: Process,
    _ namespace: NetworkNamespace,
    _ options: ConntrackOptions
  ) async throws(ProcessExit) -> Int32 {
    if options.zone != nil {
      return try await fail(process, "Illegal option `--zone' with this command")
    }
    var filter = options
    filter.mark = nil
    filter.status = []
    let connections = namespace.netfilter.connections
    // Only one connection, named by all that its tuple holds, can be changed: what this version of
    // the tool sends for others is refused by the kernel.
    if !options.isExact, connections.records().contains(where: { filter.accepts($0) }) {
      let reason = "Operation failed: Operation not supported"
      try await process.printError("\(reason)\n")
      try await tell(process, reason)
      return 1
    }
    let changed = connections.update { record in
      guard filter.accepts(record) else { return false }
      if let mark = options.mark {
        record.mark = record.mark & ~mark.mask ^ mark.value
      }
      if let timeout = options.newTimeout { record.timeout = timeout }
      record.status.formUnion(options.status)
      return true
    }
    try await tell(process, "\(changed.count) flow entries have been updated.")
    try await process.print(lines(changed, options, users: 2))
    return changed.isEmpty ? 1 : 0
  }

  private static func create(
    _ process: Process,
    _ namespace: NetworkNamespace,
    _ options: ConntrackOptions
  ) async throws(ProcessExit) -> Int32 {
    guard let ipProtocol = options.ipProtocol else {
      return try await fail(process, "You need to supply the `--protonum' option for this command")
    }
    guard let timeout = options.newTimeout else {
      return try await fail(process, "You need to supply the `--timeout' option for this command")
    }
    guard let source = options.source?.address, let destination = options.destination?.address
    else {
      return try await fail(
        process,
        options.source == nil
          ? "You need to supply the `--orig-src' option for this command"
          : "You need to supply the `--orig-dst' option for this command"
      )
    }
    let isICMP = ipProtocol == .icmp
    let kind = UInt16(options.icmpType ?? 0) << 8 | UInt16(options.icmpCode ?? 0)
    var creation = ConntrackCreation(
      protocol: ipProtocol,
      original: .init(
        source: source,
        destination: destination,
        sourcePort: isICMP ? options.icmpID ?? 0 : options.sourcePort ?? 0,
        destinationPort: isICMP ? kind : options.destinationPort ?? 0
      ),
      timeout: timeout
    )
    if !isICMP, options.replySource != nil || options.replyDestination != nil {
      creation.reply = .init(
        source: options.replySource?.address ?? destination,
        destination: options.replyDestination?.address ?? source,
        sourcePort: options.replySourcePort ?? options.destinationPort ?? 0,
        destinationPort: options.replyDestinationPort ?? options.sourcePort ?? 0
      )
    }
    creation.status = options.status
    creation.mark = options.mark?.value ?? 0
    creation.zone = options.zone ?? 0
    creation.tcpState = options.state
    creation.sourceTranslation = options.sourceTranslation
    creation.destinationTranslation = options.destinationTranslation
    guard namespace.netfilter.connections.create(creation) else {
      try await tell(process, "Operation failed: Such conntrack exists, try -U to update")
      return 1
    }
    try await tell(process, "1 flow entries have been created.")
    return 0
  }

  private static func statistics(_ counters: ConntrackStatistics) -> String {
    "cpu=0   \tfound=0 invalid=\(counters.invalid) insert=0 "
      + "insert_failed=\(counters.insertFailed) drop=\(counters.drop) "
      + "early_drop=\(counters.earlyDrop) error=0 search_restart=0 "
      + "clash_resolve=\(counters.clashResolve) chaintoolong=0 \n"
  }

  // MARK: Events

  private final class EventQueue {
    let arrived = WaitQueue()
    var lines: [String] = []
    var count = 0
  }

  private static func watch(
    _ process: Process,
    _ namespace: NetworkNamespace,
    _ options: ConntrackOptions
  ) async throws(ProcessExit) -> Int32 {
    let queue = EventQueue()
    let connections = namespace.netfilter.connections
    let listener = connections.addListener { event in
      guard var line = line(event, options) else { return }
      if options.showsTime { line = time(process) + line }
      queue.lines.append(line)
      queue.count += 1
      queue.arrived.wakeAll()
    }
    defer { connections.removeListener(listener) }
    process.handledSignals = [.interrupt, .terminate]
    while true {
      if !queue.lines.isEmpty {
        let text = queue.lines.joined()
        queue.lines = []
        try await process.print(text)
        continue
      }
      if case .interrupted = try await process.wait(on: [queue.arrived]) { break }
    }
    try await tell(process, "\(queue.count) flow events have been shown.")
    return 0
  }

  /// The clock as `-o timestamp` shows it before events.
  private static func time(_ process: Process) -> String {
    let clock = process.wallClock
    let micros = String(clock.nanoseconds / 1_000)
    let fraction = String(repeating: "0", count: max(0, 6 - micros.utf8.count)) + micros
    return "[\(clock.seconds).\(fraction)]\t"
  }

  private static func line(_ event: ConntrackEvent, _ options: ConntrackOptions) -> String? {
    let word: String
    switch event.kind {
    case .new: word = "NEW"
    case .update: word = "UPDATE"
    case .destroy: word = "DESTROY"
    }
    guard options.events.contains(word), options.accepts(event.record) else { return nil }
    var style = style(options)
    style.isEvent = true
    let tag = "[\(word)] "
    let padding = String(repeating: " ", count: max(0, 10 - tag.utf8.count))
    let end = event.byUserspace ? " [USERSPACE] portid=\(event.process) progname=conntrack" : ""
    return padding + tag + ConntrackText.line(event.record, style) + end + "\n"
  }
}

extension CommandTable {
  /// Adds conntrack(8).
  public func addConntrackCommand() { add(ConntrackCommand.command) }
}
