import Foundation
import Hopyard
import Testing

/// The rules of simulated nodes and Docker hosts in the kernel of this machine: iptables-restore
/// takes them, and iptables-save prints them again.
@Suite(
  .enabled(
    if: RealIptables.isThere,
    "needs root, unshare, and the nft and legacy variants of iptables-restore"
  )
)
struct RestoreTests {
  @Test(
    arguments: ["flannel", "flannel-host-gw", "calico", "calico-ipip", "bridge"],
    RealIptables.variants
  )
  func aNodesRulesAreAccepted(_ network: String, _ variant: String) throws {
    let net = try Network(
      text: """
        options: {iptables: \(variant)}
        clusters:
          cluster:
            cni: \(network)
            nodes: 2
            manifests: |
              apiVersion: apps/v1
              kind: Deployment
              metadata: {name: web}
              spec:
                replicas: 3
                selector: {matchLabels: {app: web}}
                template:
                  metadata: {labels: {app: web}}
                  spec:
                    containers:
                    - name: web
                      image: nginx
                      ports: [{containerPort: 80}, {containerPort: 53, protocol: UDP}]
              ---
              apiVersion: v1
              kind: Pod
              metadata: {name: hp}
              spec:
                nodeName: n1
                containers:
                - name: web
                  image: nginx
                  ports:
                  - {containerPort: 80, hostPort: 8080}
                  - {containerPort: 53, hostPort: 5353, hostIP: 192.168.56.11, protocol: UDP}
              ---
              apiVersion: v1
              kind: Service
              metadata: {name: ci}
              spec:
                selector: {app: web}
                ports: [{port: 80, name: http}, {port: 53, name: dns, protocol: UDP}]
              ---
              apiVersion: v1
              kind: Service
              metadata: {name: np}
              spec: {type: NodePort, selector: {app: web}, ports: [{port: 80}]}
              ---
              apiVersion: v1
              kind: Service
              metadata: {name: npl}
              spec:
                type: NodePort
                externalTrafficPolicy: Local
                internalTrafficPolicy: Local
                selector: {app: web}
                ports: [{port: 80}]
              ---
              apiVersion: v1
              kind: Service
              metadata: {name: lb}
              spec:
                type: LoadBalancer
                loadBalancerIP: 203.0.113.10
                loadBalancerSourceRanges: [192.168.56.0/24, 10.0.0.0/8]
                sessionAffinity: ClientIP
                selector: {app: web}
                ports: [{port: 80}]
              ---
              apiVersion: v1
              kind: Service
              metadata: {name: lbl}
              spec:
                type: LoadBalancer
                loadBalancerIP: 203.0.113.11
                externalTrafficPolicy: Local
                selector: {app: web}
                ports: [{port: 80}]
              ---
              apiVersion: v1
              kind: Service
              metadata: {name: ext}
              spec: {externalIPs: [203.0.113.12], selector: {app: web}, ports: [{port: 80}]}
              ---
              apiVersion: v1
              kind: Service
              metadata: {name: none}
              spec:
                type: NodePort
                externalIPs: [203.0.113.13]
                selector: {app: nobody}
                ports: [{port: 80}]
              ---
              apiVersion: v1
              kind: Service
              metadata: {name: hl}
              spec: {clusterIP: None, selector: {app: web}, ports: [{port: 80}]}
        """
    )
    try expectSameRules(of: "n1", net, variant, least: 200)
  }

  @Test(arguments: ["docker20", "docker29"], RealIptables.variants)
  func aDockerHostsRulesAreAccepted(_ profile: String, _ variant: String) throws {
    for proxy in [true, false] {
      let net = try Network(
        text: """
          options: {profile: \(profile), iptables: \(variant)}
          docker:
            host:
              interfaces: {eth0: 192.0.2.10/24}
              userland-proxy: \(proxy)
              compose:
                services:
                  a:
                    image: nginx
                    ports:
                    - "8080:80"
                    - "127.0.0.1:8081:80"
                    - "5353:53/udp"
                    - "9000-9002:9000-9002"
                    - "192.0.2.10:8443:443"
                    networks: [x, y]
                  b: {image: nginx, ports: ["80"], networks: [x]}
                  c: {image: nginx, networks: [i]}
                  d: {image: nginx, networks: [icc], ports: ["7000:80"]}
                  e: {image: nginx, networks: [r], ports: ["7001:80"]}
                  f: {image: nginx, networks: [u], ports: ["7002:80"]}
                networks:
                  x:
                  y:
                  i: {internal: true}
                  icc: {driver_opts: {com.docker.network.bridge.enable_icc: "false"}}
                  r:
                    driver_opts: {com.docker.network.bridge.gateway_mode_ipv4: routed}
                  u:
                    driver_opts: {com.docker.network.bridge.gateway_mode_ipv4: nat-unprotected}
          """
      )
      try expectSameRules(of: "host", net, variant, least: 60)
    }
  }

  private func expectSameRules(
    of machine: String,
    _ net: Network,
    _ variant: String,
    least: Int
  ) throws {
    defer { net.close() }
    let text = try net.execute("iptables-save", on: machine).output
    let own = RealIptables.tables(text)
    #expect(own.values.map(\.count).reduce(0, +) >= least)
    let (output, status) = try RealIptables.restored(text, variant)
    #expect(status == 0, "\(output)")
    let real = RealIptables.tables(output)
    for name in Set(own.keys).union(real.keys).sorted() {
      #expect(own[name] == real[name], "table \(name)")
    }
  }
}

/// iptables of the machine that runs the tests.
private enum RealIptables {
  static let variants = ["nft", "legacy"]

  static let isThere =
    variants.allSatisfy {
      run("iptables-\($0)-restore </dev/null && iptables-\($0)-save").status == 0
    }

  /// What iptables-save prints after iptables-restore in a network namespace of its own.
  static func restored(_ text: String, _ variant: String) throws -> (output: String, status: Int32)
  {
    let file = FileManager.default.temporaryDirectory.appending(
      path: "hopyard-\(UUID().uuidString).save"
    )
    try Data(text.utf8).write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    return run("iptables-\(variant)-restore < '\(file.path)' && iptables-\(variant)-save")
  }

  private static func run(_ command: String) -> (output: String, status: Int32) {
    let process = Foundation.Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["unshare", "-n", "sh", "-c", command]
    let pipe = Foundation.Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    do {
      try process.run()
    } catch {
      return ("\(error)", -1)
    }
    let data = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (String(decoding: data, as: UTF8.self), process.terminationStatus)
  }

  /// The lines of each table without comments and counters; the order of tables is that in which
  /// they were first used.
  static func tables(_ text: String) -> [String: [String]] {
    var tables: [String: [String]] = [:]
    var name = ""
    for line in text.split(separator: "\n") where !line.hasPrefix("#") && line != "COMMIT" {
      if line.hasPrefix("*") {
        name = String(line)
        tables[name] = []
      } else {
        let words = line.split(separator: " ").filter { !$0.hasPrefix("[") }
        tables[name, default: []].append(words.joined(separator: " "))
      }
    }
    return tables
  }
}
