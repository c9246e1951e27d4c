"""The Grafana dashboards of the chart, made with Grafana's typed builders."""
