import Foundation

/// Alternates our workloads and the peers' programs and reports the medians.
struct Runner {
  var runs: Int
  var scale: Double
  var only: [String]
  var outputPath: String
  let peers: PeerPrograms
  let scratch: String

  /// Measures everything; returns false when a workload of ours failed.
  func run() -> Bool {
    let comparisons = Comparison.all(scale: scale).filter { comparison in
      only.isEmpty || only.contains { comparison.name.hasPrefix($0) }
    }
    var rows = comparisons.map { ResultRow(comparison: $0) }
    var failed = false
    let needsFloor = comparisons.contains { if case .floor = $0.peer { true } else { false } }
    for round in 1...max(1, runs) {
      progress("round \(round) of \(runs)")
      if needsFloor { peers.measureFloor() }
      for index in rows.indices {
        let comparison = rows[index].comparison
        progress("round \(round) of \(runs): \(comparison.name)")
        if let value = measureOurs(comparison) {
          rows[index].ours.append(value)
        } else {
          failed = true
        }
        let theirs = withCaptureDirectory { peers.measure(comparison, captureDirectory: $0) }
        if let theirs { rows[index].theirs.append(theirs) }
      }
    }
    progress("")
    print(ResultTable(rows: rows, peers: peers).text)
    do {
      try ResultTable(rows: rows, peers: peers).json
        .write(toFile: outputPath, atomically: true, encoding: .utf8)
    } catch {
      complain("\(outputPath): \(error.localizedDescription)")
      return false
    }
    return !failed
  }

  private func measureOurs(_ comparison: Comparison) -> Double? {
    withCaptureDirectory { directory in
      var command = [CommandLine.arguments[0], "workload"] + comparison.arguments
      if comparison.captures { command += ["--pcap", directory] }
      let outcome = Subprocess.run(peers.pinned(command))
      guard outcome.status == 0 else {
        complain("\(comparison.name): \(outcome.complaint)")
        return nil
      }
      guard let figure = Measurement(parsing: outcome.output)[comparison.figure], figure > 0 else {
        complain("\(comparison.name): no \(comparison.figure) in \(outcome.output)")
        return nil
      }
      return comparison.metric.moreIsBetter ? 1e9 / figure : figure
    }
  }

  /// Both sides write their captures to the same place, which is emptied after each run.
  private func withCaptureDirectory<T>(_ body: (String) -> T) -> T {
    let directory = "\(scratch)/captures"
    try? FileManager.default.createDirectory(
      atPath: directory,
      withIntermediateDirectories: true
    )
    defer { try? FileManager.default.removeItem(atPath: directory) }
    return body(directory)
  }

  private func progress(_ text: String) {
    guard isatty(STDERR_FILENO) == 1 else { return }
    FileHandle.standardError.write(Data("\r\u{1B}[K\(text)".utf8))
  }

  private func complain(_ text: String) {
    FileHandle.standardError.write(Data("hopyard-bench: \(text)\n".utf8))
  }
}
