// A page with one dashboard, drawn by Perses' own components and plugins. The dashboard is at /dashboard.json; queries go
// to Prometheus under /api/v1. `testbed/perses` serves both.
import { ThemeProvider } from "@mui/material";
import { ChartsProvider, SnackbarProvider, generateChartsTheme, getTheme } from "@perses-dev/components";
import { ViewDashboard } from "@perses-dev/dashboards";
import { PluginRegistry, ValidationProvider, dynamicImportPluginLoader } from "@perses-dev/plugin-system";
import * as prometheus from "@perses-dev/prometheus-plugin";
import prometheusPackage from "@perses-dev/prometheus-plugin/package.json";
import * as stat from "@perses-dev/stat-chart-plugin";
import statPackage from "@perses-dev/stat-chart-plugin/package.json";
import * as timeSeries from "@perses-dev/timeseries-chart-plugin";
import timeSeriesPackage from "@perses-dev/timeseries-chart-plugin/package.json";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { createRoot } from "react-dom/client";
import { BrowserRouter } from "react-router-dom";
import { QueryParamProvider } from "use-query-params";
import { ReactRouter6Adapter } from "use-query-params/adapters/react-router-6";

const DATASOURCE = {
  kind: "GlobalDatasource",
  metadata: { name: "prometheus" },
  spec: {
    default: true,
    plugin: { kind: "PrometheusDatasource", spec: { directUrl: window.location.origin, scrapeInterval: "1s" } },
  },
};

const DATASOURCES = {
  getDatasource: async () => undefined,
  getGlobalDatasource: async () => DATASOURCE,
  listDatasources: async () => [],
  listGlobalDatasources: async () => [DATASOURCE],
};

const PLUGINS = dynamicImportPluginLoader(
  [
    [prometheusPackage, prometheus],
    [statPackage, stat],
    [timeSeriesPackage, timeSeries],
  ].map(([{ name, version, perses }, module]) => ({
    resource: { kind: "PluginModule", metadata: { name, version }, spec: perses },
    importPlugin: async () => module,
  })),
);

function Page({ dashboard }) {
  const theme = getTheme("light");
  return (
    <ThemeProvider theme={theme}>
      <ChartsProvider chartsTheme={generateChartsTheme(theme, {})}>
        <SnackbarProvider>
          <PluginRegistry
            pluginLoader={PLUGINS}
            defaultPluginKinds={{ Panel: "TimeSeriesChart", TimeSeriesQuery: "PrometheusTimeSeriesQuery" }}
          >
            <ValidationProvider>
              <ViewDashboard
                dashboardResource={dashboard}
                datasourceApi={DATASOURCES}
                isReadonly
                isVariableEnabled
                isDatasourceEnabled={false}
              />
            </ValidationProvider>
          </PluginRegistry>
        </SnackbarProvider>
      </ChartsProvider>
    </ThemeProvider>
  );
}

const dashboard = await (await fetch("/dashboard.json")).json();
createRoot(document.getElementById("root")).render(
  <BrowserRouter>
    <QueryClientProvider client={new QueryClient({ defaultOptions: { queries: { retry: false } } })}>
      <QueryParamProvider adapter={ReactRouter6Adapter}>
        <Page dashboard={dashboard} />
      </QueryParamProvider>
    </QueryClientProvider>
  </BrowserRouter>,
);
