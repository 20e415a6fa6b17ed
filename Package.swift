// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

let package = Package(
  name: "Hopyard",
  products: [
    .library(name: "Hopyard", targets: ["Hopyard"]),
    .executable(name: "hopyard", targets: ["HopyardCLI"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
  ],
  targets: [
    .systemLibrary(
      name: "CPcap",
      pkgConfig: "libpcap",
      providers: [.apt(["libpcap-dev"]), .brew(["libpcap"])]
    ),
    .target(name: "HopyardWire", swiftSettings: settings),
    .target(name: "HopyardSimulator", dependencies: ["HopyardWire"], swiftSettings: settings),
    .target(
      name: "HopyardCapture",
      dependencies: ["CPcap", "HopyardWire", "HopyardSimulator"],
      swiftSettings: settings
    ),
    .target(
      name: "HopyardServices",
      dependencies: ["HopyardWire", "HopyardSimulator"],
      swiftSettings: settings
    ),
    .target(
      name: "HopyardUserland",
      dependencies: ["HopyardWire", "HopyardSimulator", "HopyardCapture", "HopyardServices"],
      swiftSettings: settings
    ),
    .target(
      name: "HopyardRules",
      dependencies: ["HopyardWire", "HopyardSimulator", "HopyardUserland"],
      swiftSettings: settings
    ),
    .target(
      name: "HopyardContainers",
      dependencies: [
        "HopyardWire", "HopyardSimulator", "HopyardServices", "HopyardUserland",
        .product(name: "Yams", package: "Yams"),
      ],
      swiftSettings: settings
    ),
    .target(
      name: "HopyardDocker",
      dependencies: [
        "HopyardWire", "HopyardSimulator", "HopyardServices", "HopyardUserland",
        "HopyardContainers",
      ],
      swiftSettings: settings
    ),
    .target(
      name: "HopyardKubernetes",
      dependencies: [
        "HopyardWire", "HopyardSimulator", "HopyardServices", "HopyardUserland",
        "HopyardContainers",
      ],
      swiftSettings: settings
    ),
    .target(
      name: "HopyardScenarios",
      dependencies: [
        "HopyardWire", "HopyardSimulator", "HopyardCapture", "HopyardServices",
        "HopyardUserland", "HopyardRules", "HopyardContainers", "HopyardDocker",
        "HopyardKubernetes",
      ],
      swiftSettings: settings
    ),
    .target(
      name: "Hopyard",
      dependencies: [
        "HopyardWire", "HopyardSimulator", "HopyardCapture", "HopyardServices",
        "HopyardUserland", "HopyardRules", "HopyardContainers", "HopyardDocker",
        "HopyardKubernetes", "HopyardScenarios",
      ],
      swiftSettings: settings
    ),
    .executableTarget(
      name: "HopyardCLI",
      dependencies: [
        "Hopyard", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: settings
    ),
    .testTarget(
      name: "HopyardSimulatorTests",
      dependencies: ["HopyardSimulator", "HopyardWire"],
      swiftSettings: settings
    ),
    .testTarget(
      name: "NetfilterTests",
      dependencies: ["HopyardSimulator", "HopyardWire"],
      swiftSettings: settings
    ),
    .testTarget(
      name: "HopyardWireTests",
      dependencies: ["HopyardWire"],
      swiftSettings: settings
    ),
    .testTarget(
      name: "HopyardUserlandTests",
      dependencies: ["HopyardUserland", "HopyardSimulator"],
      exclude: ["Cases"],
      swiftSettings: settings
    ),
    .target(name: "LabSupport", path: "Tests/Support", swiftSettings: settings),
    .testTarget(
      name: "KernelLabTests",
      dependencies: ["LabSupport", "HopyardUserland", "HopyardCapture", "HopyardSimulator"],
      exclude: ["Labs", "Golden", "Raw", "known.tsv"],
      swiftSettings: settings
    ),
    .testTarget(
      name: "HopyardCaptureTests",
      dependencies: ["HopyardCapture", "HopyardSimulator"],
      swiftSettings: settings
    ),
    .testTarget(
      name: "LinkTests",
      dependencies: ["HopyardSimulator", "HopyardUserland", "HopyardWire"],
      exclude: ["Transcripts"],
      swiftSettings: settings
    ),
    .testTarget(
      name: "RouteTests",
      dependencies: ["HopyardSimulator", "HopyardUserland", "HopyardWire"],
      exclude: ["Transcripts"],
      swiftSettings: settings
    ),
    .testTarget(
      name: "IptablesTests",
      dependencies: ["HopyardUserland", "HopyardSimulator"],
      exclude: ["Sessions", "record.py"],
      swiftSettings: settings
    ),
    .testTarget(
      name: "NetToolsTests",
      dependencies: ["HopyardUserland"],
      swiftSettings: settings
    ),
    .testTarget(
      name: "TCPTests",
      dependencies: ["HopyardUserland", "HopyardSimulator", "HopyardWire"],
      swiftSettings: settings
    ),
    .testTarget(
      name: "ServicesTests",
      dependencies: ["HopyardServices", "HopyardUserland", "HopyardSimulator", "HopyardWire"],
      swiftSettings: settings
    ),
    .testTarget(
      name: "RulesTests",
      dependencies: ["HopyardRules", "HopyardUserland", "HopyardSimulator", "HopyardWire"],
      swiftSettings: settings
    ),
    .testTarget(
      name: "DockerTests",
      dependencies: [
        "HopyardDocker", "HopyardContainers", "HopyardUserland", "HopyardSimulator",
        "HopyardWire",
      ],
      swiftSettings: settings
    ),
    .testTarget(
      name: "KubernetesTests",
      dependencies: [
        "HopyardKubernetes", "HopyardContainers", "HopyardServices", "HopyardUserland",
        "HopyardSimulator", "HopyardWire",
      ],
      swiftSettings: settings
    ),
    .testTarget(
      name: "ScenarioTests",
      dependencies: ["HopyardScenarios", "Hopyard"],
      swiftSettings: settings
    ),
    .testTarget(
      name: "OracleTests",
      dependencies: ["Hopyard", "HopyardUserland", "HopyardSimulator", "LabSupport"],
      exclude: ["known.tsv"],
      swiftSettings: settings
    ),
    .testTarget(name: "ArchitectureTests", swiftSettings: settings),
    .testTarget(
      name: "CommandLineTests",
      dependencies: ["HopyardCLI"],
      swiftSettings: settings
    ),
    .testTarget(name: "HopyardTests", dependencies: ["Hopyard"], swiftSettings: settings),
  ]
)
