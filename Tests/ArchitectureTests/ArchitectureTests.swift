import Testing

/// Rules on how the source is laid out that the compiler does not keep.
@Suite struct ArchitectureTests {
  /// The floors of the simulator, from the ground up.
  static let floors = [
    "Engine", "Packet", "Trace", "Link", "Route", "Neighbour", "Netfilter", "Device", "IP",
    "Socket",
    "Host",
  ]

  /// The modules, each of which imports only those before it.
  static let modules = [
    "HopyardWire", "HopyardSimulator", "CPcap", "HopyardCapture", "HopyardServices",
    "HopyardUserland", "HopyardRules", "HopyardContainers", "HopyardDocker", "HopyardKubernetes",
    "HopyardScenarios", "Hopyard", "HopyardCLI",
  ]

  /// The one object that holds a run together owns what the floors above the engine are made of.
  static let exceptions: [String: Set<String>] = [
    "Sources/HopyardSimulator/Engine/Simulation.swift": [
      "CapturePoint", "LinkType", "PacketPool", "PacketTap", "Tracer",
    ]
  ]

  static let longestFile = 600

  @Test func noFileNamesATypeOfAHigherFloor() {
    let sources = SwiftSource.files(below: "Sources/HopyardSimulator")
    #expect(!sources.isEmpty)
    /// For each name the floors that declare it for others, and those that declare it at all.
    var shared: [String: Set<Int>] = [:]
    var declared: [String: Set<Int>] = [:]
    for source in sources {
      guard let floor = floor(of: source) else { continue }
      for declaration in source.declarations {
        declared[declaration.name, default: []].insert(floor)
        if declaration.isTopLevel, !declaration.isPrivate {
          shared[declaration.name, default: []].insert(floor)
        }
      }
    }
    for source in sources {
      guard let floor = floor(of: source) else { continue }
      let words = source.typeWords.subtracting(Self.exceptions[source.path] ?? [])
      for word in words.sorted() {
        guard let places = shared[word], let lowest = places.min(), lowest > floor else { continue }
        // A nested type of the same name on this floor or below is what is meant.
        if declared[word]?.contains(where: { $0 <= floor }) == true { continue }
        Issue.record("\(source.path) names \(word), which \(Self.floors[lowest]) declares")
      }
    }
  }

  @Test func everySimulatorFileHasAFloor() {
    for source in SwiftSource.files(below: "Sources/HopyardSimulator")
    where floor(of: source) == nil {
      let parts = source.path.split(separator: "/")
      // The module's own page of documentation has no floor.
      if parts.count == 3, source.declarations.isEmpty { continue }
      Issue.record(
        "\(source.path) is in none of the folders \(Self.floors.joined(separator: ", "))"
      )
    }
  }

  @Test func modulesImportOnlyThoseBelow() {
    let sources = SwiftSource.files(below: "Sources")
    #expect(!sources.isEmpty)
    for source in sources {
      let module = source.path.split(separator: "/")[1]
      guard let place = Self.modules.firstIndex(of: String(module)) else {
        Issue.record("\(source.path) is in a module that has no place in the order")
        continue
      }
      for name in source.imports {
        guard let other = Self.modules.firstIndex(of: name), other >= place else { continue }
        Issue.record("\(source.path) imports \(name)")
      }
    }
  }

  @Test func filesAreShort() {
    for source in SwiftSource.files(below: "Sources") + SwiftSource.files(below: "Tests")
    where source.lineCount > Self.longestFile {
      Issue.record("\(source.path) has \(source.lineCount) lines, over \(Self.longestFile)")
    }
  }

  @Test func tokensLeaveOutCommentsAndText() {
    let code = #"""
      // Alpha
      let a = "Beta \(Gamma.of("Delta")) Epsilon" /* Zeta /* Eta */ Theta */ as Iota.Kappa
      """#
    let source = SwiftSource(path: "", text: code)
    #expect(source.typeWords == ["Gamma", "Iota"])
  }

  private func floor(of source: SwiftSource) -> Int? {
    let parts = source.path.split(separator: "/")
    return parts.count > 3 ? Self.floors.firstIndex(of: String(parts[2])) : nil
  }
}
