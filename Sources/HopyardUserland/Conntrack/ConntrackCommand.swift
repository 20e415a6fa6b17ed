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
      return try await fail(process, "Need to specify a command")
    }
    let namespace = process.namespace
    switch operation {
    case .version:
      try await process.print(title + "\n")
      return 0
    case .help:
      try await process.print(usage)
      return 0
    case .list: return try await list(process, namespace, options)
    case .get: return try await get(process, namespace, options)
    case .delete: return try await delete(process, namespace, options)
    case .update: return try await update(process, namespace, options)
    case .flush:
      if options.table == .conntrack { namespace.netfilter.connections.flush() }
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
    _ options: ConntrackOptions
  ) -> String {
    // The kernel lists by the places of a hash with a random seed; newest first is as good.
    records.reversed().map { record in
      var style = style(options)
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
    try await tell(process, "\(records.count) flow entries have been shown.")
    try await process.print(lines(records, options))
    return 0
  }

  private static func get(
    _ process: Process,
    _ namespace: NetworkNamespace,
    _ options: ConntrackOptions
  ) async throws(ProcessExit) -> Int32 {
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
      ? namespace.netfilter.connections.remove(where: { options.accepts($0) }) : []
    try await tell(process, "\(removed.count) flow entries have been deleted.")
    try await process.print(lines(removed, options))
    return removed.isEmpty ? 1 : 0
  }

  private static func update(
    _ process: Process,
    _ namespace: NetworkNamespace,
    _ options: ConntrackOptions
  ) async throws(ProcessExit) -> Int32 {
    var filter = options
    filter.mark = nil
    let changed = namespace.netfilter.connections.update { record in
      guard filter.accepts(record) else { return false }
      if let mark = options.mark {
        record.mark = record.mark & ~mark.mask ^ mark.value
      }
      if let timeout = options.newTimeout { record.timeout = timeout }
      return true
    }
    try await tell(process, "\(changed.count) flow entries have been updated.")
    try await process.print(lines(changed, options))
    return changed.isEmpty ? 1 : 0
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
      guard let line = line(event, options) else { return }
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
    let end = event.byUserspace ? " [USERSPACE] portid=\(event.record.id & 0x7fff_ffff)" : ""
    return padding + tag + ConntrackText.line(event.record, style) + end + "\n"
  }

  private static let usage = """
    Command line interface for the connection tracking system. Version 1.4.7
    Usage: conntrack [commands] [options]

    Commands:
      -L [table] [options]\t\tList conntrack or expectation table
      -G [table] parameters\t\tGet conntrack or expectation
      -D [table] parameters\t\tDelete conntrack or expectation
      -U [table] parameters\t\tUpdate a conntrack
      -E [table] [options]\t\tShow events
      -F [table]\t\t\tFlush table
      -C [table]\t\t\tShow counter
      -S\t\t\t\tShow statistics

    """
}

extension CommandTable {
  /// Adds conntrack(8).
  public func addConntrackCommand() { add(ConntrackCommand.command) }
}
